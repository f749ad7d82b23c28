import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { identityOf } from '../../../sandbox/process/identity.js';
import { Ledger } from '../../../sandbox/process/ledger.js';
import { ManagedProcess, untilReady } from '../../../sandbox/process/managed-process.js';
import { freePorts } from '../../../sandbox/process/ports.js';
import { eventually } from '../../support/cluster/pcf-api.js';

describe('ManagedProcess', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'pcf-process-'));
  });

  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  function managed(command: string, ...args: string[]): ManagedProcess {
    const logFile = join(folder, 'log');
    const spec = { name: 'one', command, args, logFile, env: process.env };
    return new ManagedProcess(spec, new Ledger(join(folder, 'processes')));
  }

  const node = (script: string) => managed(process.execPath, '-e', script);

  it('stop() sends SIGTERM, and SIGKILL after the timeout', async () => {
    const stubborn = node("process.on('SIGTERM', () => {}); console.log('up'); setInterval(() => {}, 1000)");
    stubborn.start();
    await eventually('the process handles signals', () => stubborn.lastLines() === 'up');
    assert.deepEqual(await stubborn.stop(100), { code: null, signal: 'SIGKILL' });
  });

  it('kills the children of a process that exited', async () => {
    const parent = node(
      "const { pid } = require('node:child_process').spawn('sleep', ['60']); console.log(pid)",
    );
    parent.start();
    // Kills only the parent, as a crash would.
    await eventually('the child has started', () => parent.lastLines() !== '');
    const child = Number(readFileSync(join(folder, 'log'), 'utf8'));
    process.kill(parent.pid!, 'SIGKILL');
    await parent.exited;
    await eventually('the child has exited', () => identityOf(child) === undefined);
  });

  it('lastLines() returns only the output of this process, not of an earlier one with the same name', async () => {
    const first = node("console.log('first')");
    first.start();
    await first.exited;
    assert.equal(first.lastLines(), 'first');
    const second = node("console.log('second')");
    second.start();
    await second.exited;
    assert.equal(second.lastLines(30), 'second');
    assert.equal(readFileSync(join(folder, 'log'), 'utf8'), 'first\nsecond\n', 'the file contains both');
  });

  it('fails to start when its program does not exist', async () => {
    const missing = managed('no-such-program');
    missing.start();
    await assert.rejects(
      untilReady('it', missing, async () => false),
      /it ended while starting/,
    );
    assert.equal((await missing.stop()).code, 127);
  });
});

describe('freePorts', () => {
  it('returns distinct, free ports outside of the ephemeral range', async () => {
    const ports = [...(await freePorts(5)), ...(await freePorts(5))];
    assert.equal(new Set(ports).size, 10);
    for (const port of ports) {
      assert.ok(port >= 20_000 && port < 32_768, `${port}`);
      const server = createServer().listen(port, '127.0.0.1');
      await new Promise((resolve, reject) => server.once('listening', resolve).once('error', reject));
      await new Promise((resolve) => server.close(resolve));
    }
  });
});
