const DEFAULT_FACTOR = 0.2;

/**
 * Factor of the number of cases that property tests draw. The default is a fifth, which keeps
 * `npm test` short; PCF_TEST_RUNS=1 draws the full number, PCF_TEST_RUNS=20 twenty times as many.
 */
export const RUN_FACTOR = Number(process.env.PCF_TEST_RUNS ?? DEFAULT_FACTOR);

/** Number of cases for a property test, from its full number. */
export function propertyRuns(full: number): number {
  return Math.ceil(full * RUN_FACTOR);
}
