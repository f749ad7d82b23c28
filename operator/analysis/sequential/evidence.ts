/**
 * Evidence that is kept over the tests of a delivery: each step, and each change of the weight, starts a test. The
 * e-values of consecutive tests are multiplied, which is an e-value again, so the error probability of the whole
 * delivery is at most alpha, however often a test restarts (safe testing, arXiv 1906.07801, section 2). A part of
 * the evidence is not risked in each test, so that a step without a regression does not use up what the next needs.
 */

/** Part that is not risked. */
const RESERVE = 0.3;

/** Log evidence after a test. `found`: its log e-value. */
export function evidenceAfter(earlier: number, found: number): number {
  return earlier + Math.log(RESERVE + (1 - RESERVE) * Math.exp(Math.min(found, 500)));
}

/** Log e-value that a hypothesis with this share needs to reject it at alpha, after earlier tests. */
export function limitOf(alpha: number, earlier: number, share: number): number {
  const needed = Math.exp(-Math.log(alpha) - earlier) - RESERVE;
  return needed > 0 ? Math.log(needed / ((1 - RESERVE) * share)) : Number.NEGATIVE_INFINITY;
}
