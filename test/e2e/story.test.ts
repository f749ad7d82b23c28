import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { START_TIMEOUT_MS } from '../support/cluster/sandbox.js';
import { systemProgram } from '../support/processes/system-program.js';

/** Sampling time, half of the default. Shares of traffic are exact over time, not only on average. */
const SAMPLE_SECONDS = '2';

/** Runs the sandbox's command, and resolves with its output and exit code. */
function sandbox(...args: string[]): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, ['dist/sandbox/main.js', '--sample', SAMPLE_SECONDS, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, output })));
}

describe('sandbox --story', () => {
  it('installation, delivery, faulty image and rollback complete without a failed request', async () => {
    const { code, output } = await sandbox('--story', '--state-dir', '.sandbox/story');
    assert.equal(code, 0, output);
    assert.match(output, /[1-9]\d* requests served, 0 failed/);
  }).timeout(START_TIMEOUT_MS);

  it('migrations: expand, backfill, canary, contract, undo before and after it, and purge complete without a failed request', async () => {
    const story = ['--story', 'migrations', '--rows', '100000'];
    const { code, output } = await sandbox(...story, '--state-dir', '.sandbox/story');
    assert.equal(code, 0, output);
    assert.match(output, /[1-9]\d* requests served, 0 failed/);
    assert.match(output, /backfilled [\d,]+ rows, [1-9][\d,]* rows\/s/);
    assert.match(output, /p99 of the API [1-9]\d*\.\d ms before, [1-9]\d*\.\d ms during it/);
    assert.match(output, /[1-9]\d* mutations of rows during their backfill: p99 [1-9]\d*\.\d ms, 0 failed/);
    assert.match(
      output,
      /compared [\d,]+ rows with the model, [1-9][\d,]* of them written: 0 lost, 0 stale, 0 unknown/,
    );
    assert.match(output, /undo rejected: .* which was purged after its window ended at/);
    assert.match(output, /longest lock wait of a request: \d+ ms/);
  }).timeout(START_TIMEOUT_MS);

  it('delivery: steps, an approval link, undo, analysis, weight edit with the steps of an Argo Rollout, freezes, sticky users, abort, breaking schema change, blue-green with other autoscaling settings, and a canary of the worker complete without a failed request', async function () {
    const missing = ['prometheus', 'redis-server'].filter((program) => systemProgram(program) === undefined);
    const isJudged = missing.length === 0;
    if (!isJudged)
      console.warn(
        `the story omits chapters: ${missing.join(' and ')} not on PATH and could not be installed`,
      );
    const { code, output } = await sandbox('--story', 'delivery', '--state-dir', '.sandbox/story');
    assert.equal(code, 0, output);
    assert.match(output, /[1-9]\d* requests served, 0 failed/);
    assert.match(output, /[1-9]\d* deployments: [1-9]\d* succeeded, [1-9]\d* failed, [1-9]\d* rolled back/);
    assert.match(output, /approval link of the webhook opened: HTTP 200, Open/);
    assert.match(output, /its button: HTTP 200, Step 3 of 3 of pcf-api-\w+ was approved/);
    assert.match(output, /its button again: HTTP 410, /);
    assert.match(
      output,
      /import rollout -> steps \[\{"weight":20,"pause":true\},\{"weight":50,"hold":"10m"\}\]/,
    );
    const limits = [...output.matchAll(/the autoscaler has maxReplicas (\d+)/g)].map(([, limit]) => limit);
    assert.deepEqual(limits, ['6', '12', '6'], 'before the switch, after it, and after switching back');
    assert.match(output, /PcfWindow created -> in effect [1-9]\d* ms/);
    assert.match(output, /waiting for the window|waiting for a change of PcfWindow incident/);
    assert.match(output, /ServiceConnection\.totalCount was removed +token:\S*load-\d/);
    assert.match(output, /kubectl pcf schema approve -> 20 % in effect/);
    assert.match(output, /60 %: \d+\.\d % of the browsers have 1\.1\.0, 0 returned from it/);
    // Without analysis or jobs, the test is skipped and not passed.
    if (!isJudged) this.skip();
    assert.match(output, /analysis: Passed: success-rate: 3 of 3 measurements/);
    assert.match(output, /AnalysisFailed: success-rate: .* worse by [\d.]+ to [\d.]+/);
    assert.match(output, /waiting for a value of error-budget of at least 0\.1 .*0\.04 is below 0\.1/);
    assert.match(output, /AnalysisFailed: p99: .* tolerance 0\.7/);
    assert.match(output, /AnalysisFailed: failed-jobs: /);
    assert.match(output, /1\.5\.0 ran [3-6]\d\.\d % of [1-9]\d* attempts at webhook-delivery jobs/);
    assert.match(output, /[1-9]\d* jobs queued: 0 lost/);
    assert.match(output, /counted separately: [1-9]\d* intended errors of faulty versions/);
  }).timeout(START_TIMEOUT_MS);
});
