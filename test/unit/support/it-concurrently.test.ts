import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';

/** Runs the suite in a separate mocha process. Returns the output lines of its tests, and the counts. */
function run(...args: string[]): { events: string[]; counts: string } {
  const support = 'dist/test/support';
  const mocha = [
    'node_modules/mocha/bin/mocha.js',
    '--no-config',
    `--require=${support}/runner/it-concurrently.js`,
  ];
  const { stdout } = spawnSync(
    process.execPath,
    [
      ...mocha,
      `--reporter=${support}/runner/reporter.js`,
      `${support}/programs/concurrent-suite.js`,
      ...args,
    ],
    { encoding: 'utf8', env: { ...process.env, PCF_TEST_RESULTS: '' } },
  );
  const lines = stdout.trim().split('\n');
  return { events: lines.filter((line) => /^(start|end) /.test(line)), counts: lines.at(-1)! };
}

describe('itConcurrently', () => {
  it('runs at most three tests concurrently, but no two of one group, and reports each result', () => {
    const { events, counts } = run();
    let running: string[] = [];
    let most = 0;
    for (const event of events) {
      const [what, name = ''] = event.split(' ');
      if (what === 'end') running = running.filter((other) => other !== name);
      else running.push(name);
      most = Math.max(most, running.length);
      assert.ok(!(running.includes('first') && running.includes('second')), events.join());
      if (running.includes('last'))
        assert.deepEqual(running, ['last'], 'an ordinary test waits for the others');
    }
    assert.equal(most, 3);
    assert.equal(events.length, 12);
    assert.equal(counts, '6 passed, 1 failed');
  });

  it('runs only the tests that --grep selects', () => {
    const { events, counts } = run('--grep', 'second');
    assert.deepEqual(events, ['start second', 'end second']);
    assert.equal(counts, '1 passed, 0 failed');
  });
});
