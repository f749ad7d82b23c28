/** Logarithms of the gamma and beta functions, for likelihoods of counts up to billions without overflow. */

/** Lanczos approximation with g = 7 and nine coefficients; relative error below 1e-14 for x > 0. */
const LANCZOS = [
  0.999_999_999_999_809_93, 676.520_368_121_885_1, -1259.139_216_722_402_8, 771.323_428_777_653_13,
  -176.615_029_162_140_6, 12.507_343_278_686_905, -0.138_571_095_265_720_12, 9.984_369_578_019_572e-6,
  1.505_632_735_149_311_6e-7,
] as const;
const LOG_SQRT_2_PI = 0.918_938_533_204_672_7;

/** Natural logarithm of the gamma function for x > 0. */
export function logGamma(x: number): number {
  if (x < 0.5) return logGamma(x + 1) - Math.log(x);
  const shifted = x - 1;
  let sum: number = LANCZOS[0];
  for (let i = 1; i < LANCZOS.length; i++) sum += LANCZOS[i]! / (shifted + i);
  const base = shifted + 7.5;
  return LOG_SQRT_2_PI + (shifted + 0.5) * Math.log(base) - base + Math.log(sum);
}

/** Natural logarithm of the beta function for a, b > 0. */
export function logBeta(a: number, b: number): number {
  return logGamma(a) + logGamma(b) - logGamma(a + b);
}

/** Logarithm of a sum of exponentials. -Infinity for an empty list. */
export function logSumExp(values: readonly number[]): number {
  const max = Math.max(...values);
  if (max === Number.NEGATIVE_INFINITY) return max;
  return max + Math.log(values.reduce((sum, value) => sum + Math.exp(value - max), 0));
}

/** `count * log(share)`, with 0 for a count of 0. */
export function timesLog(count: number, share: number): number {
  return count === 0 ? 0 : count * Math.log(share);
}
