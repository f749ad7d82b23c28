/** Reproducible random numbers. */

/** Uniform numbers from 0 to 1: mulberry32. */
export function uniform(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** A seed for a part of a run, which does not depend on the other parts. */
export function seedOf(...parts: number[]): number {
  return parts.reduce((seed, part) => Math.imul(seed ^ part, 0x9e37_79b1) ^ (seed >>> 13), 0x811c_9dc5);
}

/** A number of events with this mean. */
export function poisson(mean: number, random: () => number): number {
  if (mean <= 0) return 0;
  return mean < 30 ? byProduct(mean, random) : byRejection(mean, random);
}

function byProduct(mean: number, random: () => number): number {
  const limit = Math.exp(-mean);
  let count = 0;
  for (let product = random(); product > limit; product *= random()) count += 1;
  return count;
}

/** Transformed rejection with squeeze (Hörmann 1993, PTRS). */
function byRejection(mean: number, random: () => number): number {
  const root = Math.sqrt(mean);
  const b = 0.931 + 2.53 * root;
  const a = -0.059 + 0.02483 * b;
  const inverseAlpha = 1.1239 + 1.1328 / (b - 3.4);
  for (;;) {
    const u = random() - 0.5;
    const v = random();
    const us = 0.5 - Math.abs(u);
    const count = Math.floor(((2 * a) / us + b) * u + mean + 0.43);
    if (us >= 0.07 && v <= 0.9277 - 3.6224 / (b - 2)) return count;
    if (count < 0 || (us < 0.013 && v > us)) continue;
    const accepted = Math.log((v * inverseAlpha) / (a / (us * us) + b));
    if (accepted <= count * Math.log(mean) - mean - logFactorial(count)) return count;
  }
}

function logFactorial(count: number): number {
  if (count < 10) {
    let sum = 0;
    for (let i = 2; i <= count; i++) sum += Math.log(i);
    return sum;
  }
  const x = count + 1;
  return (x - 0.5) * Math.log(x) - x + 0.918_938_533_204_672_7 + 1 / (12 * x) - 1 / (360 * x ** 3);
}
