import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ProcessIdentity, parseIdentity, stillRuns } from '../../../sandbox/process/identity.js';
import { Sandbox } from '../../../sandbox/sandbox.js';
import { eventually } from '../../support/pcf-api.js';
import { START_TIMEOUT_MS } from '../../support/sandbox.js';

describe('what a sandbox leaves', function () {
  this.timeout(START_TIMEOUT_MS);
  let folder: string;
  let owner: ChildProcess;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'pcf-leftovers-'));
    owner = spawn(process.execPath, ['dist/sandbox/main.js', '--state-dir', folder], { stdio: 'ignore' });
  });

  afterEach(() => {
    owner.kill('SIGKILL');
    rmSync(join(folder, 'processes.owner'), { force: true });
    new Sandbox(folder).cleanUp();
    rmSync(folder, { recursive: true, force: true });
  });

  function processes(): ProcessIdentity[] {
    const file = join(folder, 'processes');
    const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
    return text.split('\n').flatMap((line) => parseIdentity(line) ?? []);
  }

  /** Four of Kubernetes, PostgreSQL, the operator. */
  const runs = () => eventually('it runs its operator', () => processes().length >= 6, START_TIMEOUT_MS);

  it('is ended by the next start after a crash, and not while its owner is alive', async () => {
    await runs();
    const started = processes();
    assert.throws(
      () => new Sandbox(folder).cleanUp(),
      new RegExp(`runs in ${folder} already, as process ${owner.pid}`),
    );
    owner.kill('SIGKILL');
    await once(owner, 'exit');
    assert.ok(started.filter(stillRuns).length >= 5, 'most outlive a kill');
    assert.ok(new Sandbox(folder).cleanUp() >= 5);
    await eventually('all are gone', () => !started.some(stillRuns), 5_000);
  });

  for (const when of ['it is up', 'it starts'] as const) {
    it(`is nothing after a Ctrl-C when ${when}`, async () => {
      if (when === 'it is up') await runs();
      else await eventually('it has begun', () => processes().length >= 1, START_TIMEOUT_MS);
      const started = processes();
      owner.kill('SIGINT');
      assert.deepEqual(await once(owner, 'exit'), [130, null]);
      await eventually('all are gone', () => !started.some(stillRuns), 1_000);
      assert.deepEqual(processes(), []);
    });
  }
});
