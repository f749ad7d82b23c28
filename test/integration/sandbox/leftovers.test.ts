import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ledger } from '../../../sandbox/process/ledger.js';
import { Sandbox } from '../../../sandbox/sandbox.js';
import { eventually } from '../../support/pcf-api.js';
import { START_TIMEOUT_MS } from '../../support/sandbox.js';

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('what a crashed sandbox leaves', () => {
  let folder: string;
  let crashed: ChildProcess | undefined;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'pcf-leftovers-'));
  });
  afterEach(() => {
    crashed?.kill('SIGKILL');
    new Ledger(join(folder, 'processes')).endLeftovers();
    rmSync(folder, { recursive: true, force: true });
  });

  const pids = () =>
    readFileSync(join(folder, 'processes'), 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => Number(line.split(' ')[0]));

  it('is ended by the next start, every process of it', async () => {
    crashed = spawn(process.execPath, ['dist/sandbox/main.js', '--state-dir', folder], { stdio: 'ignore' });
    await eventually('it runs its operator', () => pidsOrNone().length >= 6, START_TIMEOUT_MS);
    crashed.kill('SIGKILL');
    await once(crashed, 'exit');
    const left = pids().filter(isRunning);
    assert.ok(left.length >= 5, `${left.length} processes outlive a kill`);

    const ended = new Sandbox(folder).cleanUp();
    assert.ok(ended >= 5);
    await eventually('all are gone', () => left.every((pid) => !isRunning(pid)), 5_000);
  }).timeout(START_TIMEOUT_MS);

  it('is left alone while that sandbox is alive', async () => {
    crashed = spawn(process.execPath, ['dist/sandbox/main.js', '--state-dir', folder], { stdio: 'ignore' });
    await eventually('it has begun', () => pidsOrNone().length >= 1, START_TIMEOUT_MS);
    assert.throws(() => new Sandbox(folder).cleanUp(), /a sandbox runs here already, as process \d+/);
  }).timeout(START_TIMEOUT_MS);

  it('never means a stranger that has the pid of a dead child', () => {
    const ledger = new Ledger(join(folder, 'processes'));
    ledger.add(process.pid); // as if this were ours...
    const file = join(folder, 'processes');
    const text = readFileSync(file, 'utf8');
    rmSync(file);
    ledger.add(2 ** 22 + 1); // a pid that nobody has
    assert.ok(text.includes(String(process.pid)));
    assert.equal(ledger.endLeftovers(), 0);
  });

  function pidsOrNone(): number[] {
    try {
      return pids();
    } catch {
      return [];
    }
  }
});
