import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { START_TIMEOUT_MS } from '../support/sandbox.js';
import { systemProgram } from '../support/system-program.js';

/** What a count takes here: half of what people see. Its shares are exact over time, not only on average. */
const SAMPLE_SECONDS = '2';

/** Runs the sandbox's command as a person would, and resolves with what it printed and how it ended. */
function sandbox(...args: string[]): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, ['dist/sandbox/main.js', '--sample', SAMPLE_SECONDS, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, output })));
}

describe('the story', () => {
  it('ends well: from nothing to live traffic, a delivery, a broken image, and back, without a failed request', async () => {
    const { code, output } = await sandbox('--story', '--state-dir', '.sandbox/story');
    assert.equal(code, 0, output);
    assert.match(output, /[1-9]\d* requests served, 0 failed/);
  }).timeout(START_TIMEOUT_MS);

  it('of migrations ends well: expand, backfill, canary, an undo in the soak, contract, and no way back, without a failed request', async () => {
    const story = ['--story', 'migrations', '--rows', '100000'];
    const { code, output } = await sandbox(...story, '--state-dir', '.sandbox/story');
    assert.equal(code, 0, output);
    assert.match(output, /[1-9]\d* requests served, 0 failed/);
    assert.match(output, /backfilled [\d,]+ rows, [1-9][\d,]* rows\/s/);
    assert.match(output, /p99 of the API [1-9]\d*\.\d ms before, [1-9]\d*\.\d ms during it/);
    assert.match(output, /[1-9]\d* mutations of rows during their backfill: p99 [1-9]\d*\.\d ms, 0 failed/);
    assert.match(output, /longest lock wait of a request: [1-9]\d* ms/);
  }).timeout(START_TIMEOUT_MS);

  it('of deliveries ends well: steps, an undo, versions that analysis gives up, a live edit, an abort and blue-green, without a failed request', async function () {
    const isJudged = systemProgram('prometheus') !== undefined;
    if (!isJudged)
      console.warn('the story is told without analysis: no prometheus, and it may not be installed');
    const { code, output } = await sandbox('--story', 'delivery', '--state-dir', '.sandbox/story');
    assert.equal(code, 0, output);
    assert.match(output, /[1-9]\d* requests served, 0 failed/);
    assert.match(output, /[1-9]\d* deployments: [1-9]\d* succeeded, [1-9]\d* failed, [1-9]\d* rolled back/);
    // All is well that was told, and what was left out is no success.
    if (!isJudged) this.skip();
    assert.match(output, /analysis: Passed: success-rate: 3 of 3 measurements/);
    assert.match(output, /AnalysisFailed: success-rate: .* is less than 0\.99/);
    assert.match(output, /AnalysisFailed: p99: .* tolerance 0\.7/);
    assert.match(output, /counted separately: [1-9]\d* intended errors of faulty versions/);
  }).timeout(START_TIMEOUT_MS);
});
