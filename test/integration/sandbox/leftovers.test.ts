import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ProcessIdentity, parseIdentity, stillRuns } from '../../../sandbox/process/identity.js';
import { Sandbox } from '../../../sandbox/sandbox.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { START_TIMEOUT_MS } from '../../support/cluster/sandbox.js';

describe('processes of a sandbox', function () {
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

  /** Four processes of Kubernetes, PostgreSQL and the operator. */
  const awaitOperator = () =>
    eventually('the sandbox runs its operator', () => processes().length >= 6, START_TIMEOUT_MS);

  it('are killed by the next start after a crash, but not while their owner is alive', async () => {
    await awaitOperator();
    const started = processes();
    assert.throws(
      () => new Sandbox(folder).cleanUp(),
      new RegExp(`runs in ${folder} already, as process ${owner.pid}`),
    );
    owner.kill('SIGKILL');
    await once(owner, 'exit');
    assert.ok(started.filter(stillRuns).length >= 5, 'most processes survive the kill of their owner');
    assert.ok(new Sandbox(folder).cleanUp() >= 5);
    await eventually('all processes have exited', () => !started.some(stillRuns), 5_000);
  });

  for (const when of ['the sandbox is ready', 'the sandbox starts'] as const) {
    it(`have all exited after Ctrl-C while ${when}`, async () => {
      if (when === 'the sandbox is ready') await awaitOperator();
      else await eventually('the first process has started', () => processes().length >= 1, START_TIMEOUT_MS);
      const started = processes();
      owner.kill('SIGINT');
      assert.deepEqual(await once(owner, 'exit'), [130, null]);
      await eventually('all processes have exited', () => !started.some(stillRuns), 1_000);
      assert.deepEqual(processes(), []);
    });
  }
});
