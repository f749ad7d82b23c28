/**
 * `npm test`: the unit tests in three processes, then the integration tests in two processes, then
 * the files that need a core for themselves in two processes. `unit` as the first argument ends after
 * the unit tests; other arguments go to each mocha call: `npm test -- --grep X`.
 *
 * These are processes of their own instead of `mocha --parallel`, whose workers have no global
 * teardown, and end when a promise is rejected between two files.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { postgresBinaries } from '../sandbox/postgres/binaries.js';
import { mergeResults, RESULTS_FILE, type Results, summaryOf } from './support/runner/results.js';

/**
 * These assert latencies of a second or two, measure memory, or lose no request under load: a core each. Files with
 * clusters of their own follow those of the API, so that both calls take about the same time.
 */
const SENSITIVE = {
  operator: [
    ...filesOf('operator', 'drift replicas shards steady provider-change resilience trouble'),
    ...globSync('dist/test/chaos/*.test.js'),
  ],
  api: [
    ...filesOf(
      'api-server',
      'buffered-rate-limiter database database-replica failure http-overload http-workers memory',
    ),
    ...filesOf('api-server', 'migrate-locks process rate-limit'),
    ...filesOf(
      'api-server',
      'key-rotation redis redis-modes subscriptions subscriptions-live webhook-sender',
    ),
    ...globSync('dist/test/integration/runtime/*.test.js').sort(),
    ...filesOf('operator', 'bare-cluster fairness'),
  ],
};

const unit = globSync('dist/test/unit/**/*.test.js').sort();
const integration = globSync('dist/test/integration/**/*.test.js')
  .sort()
  .filter((file) => !Object.values(SENSITIVE).flat().includes(file));
/** Files that only use processes and databases. */
const WITHOUT_CLUSTER = globSync('dist/test/integration/{analysis,api-server}/*.test.js');
const needsCluster = (file: string) => !WITHOUT_CLUSTER.includes(file);
const stories = globSync('dist/test/e2e/*.test.js');

/** Steps follow each other; the mocha calls of a step, each with its files, run at the same time. */
const STEPS: string[][][] = [
  [0, 1, 2].map((part) => unit.filter((_, index) => index % 3 === part)), // some mostly wait
  // One uses the shared cluster, the other PostgreSQL, processes of the API and clusters of its own.
  [integration.filter(needsCluster), [...integration.filter((file) => !needsCluster(file)), ...stories]],
  [SENSITIVE.operator, SENSITIVE.api],
];

const isUnitOnly = process.argv[2] === 'unit';
const options = process.argv.slice(isUnitOnly ? 3 : 2);
const folder = mkdtempSync(join(tmpdir(), 'pcf-test-results-'));
let calls = 0;
let isInterrupted = false;

/** Throws for a file that was renamed, which would otherwise run in parallel with others again. */
function filesOf(part: string, names: string): string[] {
  const files = names.split(' ').map((name) => `dist/test/integration/${part}/${name}.test.js`);
  const missing = files.find((file) => !existsSync(file));
  if (missing) throw new Error(`${missing} does not exist: correct the lists in test/main.ts`);
  return files;
}

/** Runs the mocha calls of a step. The first one prints as it goes, the others when all have finished. */
async function runStep(step: readonly string[][]): Promise<Results[]> {
  const [first, ...others] = step.map((files, index) => runMocha(files, index === 0));
  const results = [await first!, ...(await Promise.all(others))];
  for (const { output } of results) process.stdout.write(output);
  return results.map(({ results }) => results);
}

/** A call that ends without results, or fails outside a test, counts as one failure. */
async function runMocha(
  files: readonly string[],
  isShown: boolean,
): Promise<{ results: Results; output: string }> {
  const file = join(folder, `${calls++}.json`);
  const mocha = spawn(process.execPath, ['node_modules/mocha/bin/mocha.js', ...files, ...options], {
    stdio: ['inherit', isShown ? 'inherit' : 'pipe', isShown ? 'inherit' : 'pipe'],
    env: { ...process.env, [RESULTS_FILE]: file },
  });
  let output = '';
  for (const stream of [mocha.stdout, mocha.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => (output += text));
  const end = (received: NodeJS.Signals) => mocha.kill(received);
  process.on('SIGTERM', end);
  const [code, signal] = (await once(mocha, 'close')) as [number | null, string | null];
  process.off('SIGTERM', end);
  const results = existsSync(file)
    ? (JSON.parse(readFileSync(file, 'utf8')) as Results)
    : { passed: 0, failed: 0, skipped: 0, failures: [], timeOfFiles: {} };
  if (code !== 0 && results.failed === 0) {
    results.failed = 1;
    results.failures.push(
      `mocha ended with ${code ?? signal} outside a test: ${files[0]} and ${files.length - 1} more`,
    );
  }
  return { results, output };
}

// Ctrl-C reaches mocha as well, which stops what the tests started; the results so far are printed.
process.on('SIGINT', () => (isInterrupted = true));
postgresBinaries(); // may copy them, which two processes must not do at once
const all: Results[] = [];
for (const step of isUnitOnly ? STEPS.slice(0, 1) : STEPS) {
  if (!isInterrupted) all.push(...(await runStep(step)));
}
rmSync(folder, { recursive: true });
const results = mergeResults(all);
console.log(summaryOf(results));
// Not process.exit, which can lose the last lines when the output is a pipe.
process.exitCode = results.failed > 0 || isInterrupted ? 1 : 0;
