/** Sums and products of likelihoods as logarithms, without overflow. */

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
