import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';

const MODULE = pathToFileURL('dist/contract/log-output.js').href;
const LINE = 'Zeile für ein Ereignis, ';

/** A process that writes `count` numbered lines, reports the longest delay of its event loop, and ends when asked. */
function logging(count: number, delayMs = 0): ChildProcess {
  const args = ['--input-type=module', '-e', scriptOf(count, delayMs)];
  return spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
}

function scriptOf(count: number, delayMs: number, prepare = ''): string {
  return `
    import { spawnSync } from 'node:child_process';
    import { LogOutput } from ${JSON.stringify(MODULE)};
    const output = new LogOutput(1, ${delayMs});
    ${prepare}
    process.once('message', () => process.exit(0));
    let longest = 0, last = performance.now(), n = 0;
    const next = () => {
      const now = performance.now();
      longest = Math.max(longest, now - last);
      last = now;
      for (let i = 0; i < 100 && n < ${count}; i++) output.write(JSON.stringify({ n: n++, text: ${JSON.stringify(LINE.repeat(8))} }) + '\\n');
      if (n < ${count}) setTimeout(next, 1);
      else process.send({ longest });
    };
    next();`;
}

async function longestDelay(child: ChildProcess): Promise<number> {
  const [message] = (await once(child, 'message')) as [{ longest: number }];
  return message.longest;
}

describe('the output of logs', () => {
  for (const delayMs of [0, 100]) {
    it(`writes every line in order, with a delay of ${delayMs} ms`, async () => {
      const child = logging(10_000, delayMs);
      const output = text(child.stdout!);
      await longestDelay(child);
      child.send('end');
      const lines = (await output).trimEnd().split('\n');
      assert.deepEqual(
        lines.map((line) => (JSON.parse(line) as { n: number }).n),
        Array.from({ length: 10_000 }, (_, n) => n),
      );
    });

    it(`neither blocks nor keeps the process alive when the reader has closed the pipe, with a delay of ${delayMs} ms`, async () => {
      const child = logging(20_000, delayMs);
      child.stdout!.destroy();
      const exit = once(child, 'exit');
      assert.ok((await longestDelay(child)) < 1_000);
      child.send('end');
      assert.deepEqual(await Promise.race([exit, sleep(10_000)]), [0, null]);
    });
  }

  it('does not block while the pipe is not read, and then continues with complete lines and the number of lost ones', async () => {
    const child = logging(20_000, 100);
    assert.ok((await longestDelay(child)) < 1_000);
    const output = text(child.stdout!);
    await sleep(500);
    child.send('end');
    const lines = (await output)
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { n?: number; lines?: number });
    const read = lines.filter(({ n }) => n !== undefined);
    const lost = lines.reduce((sum, { lines = 0 }) => sum + lines, 0);
    assert.deepEqual(
      read.map(({ n }) => n),
      read.map((_, n) => n),
    );
    assert.ok(lost > 0, 'no line says that lines were lost');
    assert.equal(read.length + lost, 20_000);
  });

  it('does not block while a pipe of the shell is not read, which another process has made blocking', async () => {
    const pipeline = '"$0" --input-type=module -e "$1" | (sleep 2; cat) 3<&-';
    const other = "spawnSync(process.execPath, ['-e', 'process.stdout'], { stdio: 'inherit' });";
    const args = ['-c', pipeline, process.execPath, scriptOf(20_000, 100, other)];
    const child = spawn('sh', args, { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
    const output = text(child.stdout!);
    assert.ok((await longestDelay(child)) < 1_000);
    await sleep(2_500);
    child.send('end');
    assert.match(await output, /"lines":\d+,"msg":"log lines were lost/);
  });

  it('ends within two seconds if the pipe is never read', async () => {
    const child = logging(20_000, 100);
    await longestDelay(child);
    const exit = once(child, 'exit');
    child.send('end');
    assert.deepEqual(await Promise.race([exit, sleep(10_000)]), [0, null]);
  });
});
