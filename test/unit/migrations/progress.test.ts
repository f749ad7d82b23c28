import assert from 'node:assert/strict';
import { pino } from 'pino';
import type { MigrationReport } from '../../../contract/image.js';
import { MigrationProgress, runsOf } from '../../../operator/migrations/live-reports.js';
import type { KubeClient } from '../../../operator/runtime/kube-client.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { report } from './jobs-under-test.js';

/** Log of a pod that is written while it is followed. */
class Log implements Pick<KubeClient, 'log'> {
  opened = 0;
  private lines: string[] = [];
  private wake = () => {};

  write(...chunks: string[]): void {
    this.lines.push(...chunks);
    this.wake();
  }

  async log(_of: unknown, _query: unknown, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
    this.opened += 1;
    signal.addEventListener('abort', () => this.wake());
    return this.read(signal);
  }

  private async *read(signal: AbortSignal): AsyncGenerator<Uint8Array> {
    while (!signal.aborted) {
      for (const line of this.lines.splice(0)) {
        if (line === 'CUT') throw new Error('other side closed');
        yield Buffer.from(line);
      }
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }
}

describe('MigrationProgress', () => {
  const run = { namespace: 'shop', pod: 'api-1-backfill-x' };
  const line = (current: string) => `{"migration":${report({ current })}}\n`;
  let log: Log;
  let news: string[];
  let progress: MigrationProgress;

  beforeEach(() => {
    log = new Log();
    news = [];
    const onNews = (owner: string) => void news.push(owner);
    progress = new MigrationProgress({
      client: log,
      onNews,
      logger: pino({ level: 'silent' }),
      followAfterMs: 50,
    });
  });
  afterEach(() => progress.stop());
  const current = () => progress.reportOf('shop/api', run.pod)?.current as MigrationReport['current'];

  it('returns the last report of the log, with other lines and reports that are split between chunks', async () => {
    progress.follow('shop/api', [run]);
    const [first, second] = [line('A1'), line('B2')];
    log.write(
      '{"level":"info","msg":"migrates"}\n',
      first.slice(0, 20),
      first.slice(20) + second.slice(0, 3),
    );
    await eventually('the first report', async () => current() === 'A1');
    log.write(second.slice(3), '{"migration":{"outcome":"nonsense"}}\n', '{"migration":\n');
    await eventually('the second report', async () => current() === 'B2');
  });

  it('skips a line that is too long, and continues after it', async () => {
    progress.follow('shop/api', [run]);
    log.write('x'.repeat(20_000), 'x'.repeat(20_000), `\n${line('A1')}`);
    await eventually('the report after it', async () => current() === 'A1');
  });

  it('calls onNews once for many lines', async () => {
    progress.follow('shop/api', [run]);
    log.write(...Array.from({ length: 100 }, (_, index) => line(`M${index}`)));
    await eventually('the last report', async () => current() === 'M99');
    await eventually('onNews is called', async () => news.length > 0);
    assert.deepEqual(news, ['shop/api']);
  });

  it('reopens the log after the stream was closed', async () => {
    progress.follow('shop/api', [run]);
    log.write(line('A1'), 'CUT');
    await eventually('the log is reopened', async () => log.opened === 2);
    log.write(line('B2'));
    await eventually('the next report', async () => current() === 'B2');
  });

  it('does not open the log of a migration that finishes before followAfterMs', async () => {
    progress.follow('shop/api', [run]);
    progress.follow('shop/api', []);
    progress.follow('shop/other', [{ ...run, namespace: 'other' }]);
    await eventually('the log of the other pod is followed', async () => log.opened === 1);
    assert.equal(current(), undefined);
  });

  it('runsOf returns the migration pods whose container is running', () => {
    const pod = (component: string, state: object) => ({
      metadata: { name: component, namespace: 'shop', labels: { 'app.kubernetes.io/component': component } },
      status: { containerStatuses: [{ state }] },
    });
    const running = { running: { startedAt: '2026-01-01T00:00:00Z' } };
    const pods = [pod('migration', running), pod('api', running), pod('migration', { terminated: {} })];
    assert.deepEqual(runsOf(pods as unknown as Parameters<typeof runsOf>[0]), [
      { namespace: 'shop', pod: 'migration' },
    ]);
  });
});
