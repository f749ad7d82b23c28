import assert from 'node:assert/strict';
import { pino } from 'pino';
import { Housekeeping } from '../../../api-server/jobs/housekeeping.js';
import type { JobDefinition } from '../../../api-server/jobs/job.js';

describe('Housekeeping', () => {
  const lines: string[] = [];
  const log = pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) });
  const running: Housekeeping[] = [];
  const start = (jobs: JobDefinition[], everyMs = 5, isReady = () => true) => {
    running.push(new Housekeeping({ jobs, everyMs, firstRunMs: 0, isReady, log }));
    return running.at(-1)!;
  };
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

  afterEach(async () => {
    await Promise.all(running.splice(0).map((one) => one.close()));
    lines.length = 0;
  });

  it('runs the jobs one after the other, repeatedly, also after a failure', async () => {
    const events: string[] = [];
    const thrice = Promise.withResolvers<void>();
    start([
      {
        name: 'failing',
        handle: async () => {
          events.push('failing');
          throw new Error('broken');
        },
      },
      {
        name: 'slow',
        handle: async () => {
          events.push('slow');
          await pause(5);
          events.push('done');
          if (events.length >= 9) thrice.resolve();
        },
      },
    ]);
    await thrice.promise;
    assert.deepEqual(events.slice(0, 6), ['failing', 'slow', 'done', 'failing', 'slow', 'done']);
    assert.match(lines[0] ?? '', /housekeeping job failed, will retry/);
  });

  it('runs no job while the database is not ready', async () => {
    let runs = 0;
    start([{ name: 'counted', handle: async () => void runs++ }], 1, () => false);
    await pause(30);
    assert.equal(runs, 0);
  });

  it('does not run repeatedly when the interval is longer than the longest timer', async () => {
    let runs = 0;
    start([{ name: 'counted', handle: async () => void runs++ }], 2 ** 31 + 10);
    await pause(30);
    assert.equal(runs, 1);
  });

  it('close: aborts the current job and waits for it, without a warning', async () => {
    const started = Promise.withResolvers<void>();
    const housekeeping = start([
      {
        name: 'endless',
        handle: async (_data, { signal }) => {
          started.resolve();
          await new Promise((_resolve, reject) =>
            signal.addEventListener('abort', () => reject(signal.reason)),
          );
        },
      },
    ]);
    await started.promise;
    await housekeeping.close();
    assert.deepEqual(lines, []);
  });
});
