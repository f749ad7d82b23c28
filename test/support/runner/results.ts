/** Results of the mocha processes of one run, and their summary. */

export interface Results {
  passed: number;
  failed: number;
  skipped: number;
  /** Full titles of failed tests and hooks, each with the end of its error. */
  failures: string[];
  /** Milliseconds in tests and hooks, per file. */
  timeOfFiles: Record<string, number>;
}

/** Variable with the file to which the reporter writes its results, if another process prints the summary. */
export const RESULTS_FILE = 'PCF_TEST_RESULTS';

const SLOWEST = 10;

export function mergeResults(all: readonly Results[]): Results {
  const sum = (count: (results: Results) => number) =>
    all.reduce((total, results) => total + count(results), 0);
  return {
    passed: sum(({ passed }) => passed),
    failed: sum(({ failed }) => failed),
    skipped: sum(({ skipped }) => skipped),
    failures: all.flatMap(({ failures }) => failures),
    timeOfFiles: Object.assign({}, ...all.map(({ timeOfFiles }) => timeOfFiles)) as Results['timeOfFiles'],
  };
}

/** The slowest files, the failures, and a line of counts. */
export function summaryOf({ passed, failed, skipped, failures, timeOfFiles }: Results): string {
  const slowest = Object.entries(timeOfFiles)
    .sort(([, a], [, b]) => b - a)
    .slice(0, SLOWEST)
    .map(([file, ms]) => `${(ms / 1000).toFixed(1).padStart(8)} s  ${file}`);
  const counts = `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
  return [
    ...(slowest.length > 1 ? ['slowest files, tests and hooks:', ...slowest] : []),
    ...failures.map((title) => `  failed: ${title}`),
    counts,
  ].join('\n');
}
