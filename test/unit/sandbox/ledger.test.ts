import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatIdentity, identityOf } from '../../../sandbox/process/identity.js';
import { Ledger } from '../../../sandbox/process/ledger.js';

describe('Ledger', () => {
  let folder: string;
  let file: string;
  const children: ChildProcess[] = [];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'pcf-ledger-'));
    file = join(folder, 'processes');
  });

  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });

  /** Starts a process that runs for a minute, in its own process group. */
  async function sleeper(): Promise<ChildProcess & { pid: number }> {
    const child = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60_000)'], { detached: true });
    await once(child, 'spawn');
    children.push(child);
    return child as ChildProcess & { pid: number };
  }

  it('claim() kills the processes of a crashed owner', async () => {
    const left = await sleeper();
    writeFileSync(file, `${formatIdentity(identityOf(left.pid)!)}\n`);
    const ended = once(left, 'exit');
    assert.equal(new Ledger(file).claim(), 1);
    assert.deepEqual(await ended, [null, 'SIGKILL']);
    assert.equal(existsSync(file), false);
  });

  it('claim() deletes the folders of a crashed owner', () => {
    const data = mkdtempSync(join(tmpdir(), 'pcf-ledger-data-'));
    new Ledger(file).addFolder(data);
    new Ledger(file).claim();
    assert.equal(existsSync(data), false);
  });

  it('claim() does not kill an unrelated process with a reused PID', async () => {
    const unrelated = await sleeper();
    writeFileSync(file, `${unrelated.pid} 12345\n${unrelated.pid}\n\ngarbage\n`);
    assert.equal(new Ledger(file).claim(), 0);
    assert.ok(identityOf(unrelated.pid), 'the unrelated process still runs');
  });

  it('claim() fails with the PID of the owner when the owner runs', async () => {
    const owner = await sleeper();
    writeFileSync(`${file}.owner`, formatIdentity(identityOf(owner.pid)!));
    assert.throws(() => new Ledger(file).claim(), new RegExp(`already, as process ${owner.pid}`));
  });

  it('claim() succeeds when the owner has exited', async () => {
    const owner = await sleeper();
    writeFileSync(`${file}.owner`, formatIdentity(identityOf(owner.pid)!));
    owner.kill('SIGKILL');
    await once(owner, 'exit');
    assert.equal(new Ledger(file).claim(), 0);
  });

  it('release() kills all processes, and add() kills those added later immediately', async () => {
    const ledger = new Ledger(file);
    ledger.claim();
    const [early, late] = await Promise.all([sleeper(), sleeper()]);
    const ended = Promise.all([once(early, 'exit'), once(late, 'exit')]);
    ledger.add(early.pid);
    ledger.release();
    ledger.add(late.pid);
    assert.deepEqual(await ended, [
      [null, 'SIGKILL'],
      [null, 'SIGKILL'],
    ]);
    assert.equal(existsSync(`${file}.owner`), false);
  });
});
