import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatIdentity, identityOf } from '../../../sandbox/process/identity.js';
import { Ledger } from '../../../sandbox/process/ledger.js';

describe('the ledger of processes', () => {
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

  /** A process that would run for a minute, in a group of its own. */
  async function sleeper(): Promise<ChildProcess & { pid: number }> {
    const child = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60_000)'], { detached: true });
    await once(child, 'spawn');
    children.push(child);
    return child as ChildProcess & { pid: number };
  }

  it('ends what a crashed owner left', async () => {
    const left = await sleeper();
    writeFileSync(file, `${formatIdentity(identityOf(left.pid)!)}\n`);
    const ended = once(left, 'exit');
    assert.equal(new Ledger(file).claim(), 1);
    assert.deepEqual(await ended, [null, 'SIGKILL']);
    assert.equal(existsSync(file), false);
  });

  it('deletes the folders that a crashed owner left', () => {
    const data = mkdtempSync(join(tmpdir(), 'pcf-ledger-data-'));
    new Ledger(file).addFolder(data);
    new Ledger(file).claim();
    assert.equal(existsSync(data), false);
  });

  it('never ends a process that only has the same pid', async () => {
    const stranger = await sleeper();
    writeFileSync(file, `${stranger.pid} 12345\n${stranger.pid}\n\ngarbage\n`);
    assert.equal(new Ledger(file).claim(), 0);
    assert.ok(identityOf(stranger.pid), 'the stranger still runs');
  });

  it('refuses a folder whose owner runs, and says who that is', async () => {
    const owner = await sleeper();
    writeFileSync(`${file}.owner`, formatIdentity(identityOf(owner.pid)!));
    assert.throws(() => new Ledger(file).claim(), new RegExp(`already, as process ${owner.pid}`));
  });

  it('takes a folder over from an owner that is gone', async () => {
    const owner = await sleeper();
    writeFileSync(`${file}.owner`, formatIdentity(identityOf(owner.pid)!));
    owner.kill('SIGKILL');
    await once(owner, 'exit');
    assert.equal(new Ledger(file).claim(), 0);
  });

  it('ends everything on release, and what is added afterwards at once', async () => {
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
