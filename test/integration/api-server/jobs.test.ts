import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { loadSettings } from '../../../api-server/config/load.js';
import type { Settings } from '../../../api-server/config/schema.js';
import { HopelessJobError, type JobDefinition } from '../../../api-server/jobs/job.js';
import { jobMetrics } from '../../../api-server/jobs/job-metrics.js';
import { JobRunner } from '../../../api-server/jobs/job-runner.js';
import { retentionJob } from '../../../api-server/jobs/retention.js';
import { createRedis, type RedisClient } from '../../../api-server/redis/redis.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { freePort, sharedPostgres } from '../../support/servers/postgres.js';
import { startRedis, type TestRedis } from '../../support/servers/redis.js';
import { ApiProcess, runRole } from './api-process.js';
import { openDatabase } from './database-under-test.js';
import { migratedDatabase } from './migrated-database.js';

describe('api-server jobs', () => {
  let redis: TestRedis | undefined;
  let settings: Settings;
  const opened: { runner: JobRunner; client: RedisClient }[] = [];
  let names = 0;

  /** Starts a runner with one type of job, on its own queue. */
  const run = (
    handle: JobDefinition<{ n: number }>['handle'],
    { name = `job-${names++}`, ...more }: Partial<Settings['worker']> & { name?: string } = {},
  ) => {
    const log = pino({ level: 'silent' });
    const client = createRedis(settings, log, 'waiting');
    assert.ok(client);
    const registry = new Registry();
    const worker = { ...settings.worker, retry_initial: 20, ...more };
    const runner = new JobRunner({ redis: client, settings: worker, metrics: jobMetrics(registry), log });
    runner.add({ name, handle });
    runner.start();
    opened.push({ runner, client });
    const queue = runner.queues[0];
    assert.ok(queue);
    return { runner, name, queue, registry };
  };

  before(async function () {
    redis = await startRedis();
    if (!redis) return this.skip();
    settings = await loadSettings({
      PCF_API__DATABASE__URL: 'postgresql://localhost/none',
      PCF_API__REDIS__URL: redis.url,
      PCF_CONFIG_DIR: '/nonexistent',
    });
  });
  afterEach(async () => {
    for (const { runner, client } of opened.splice(0)) {
      await runner.close(1_000);
      client.disconnect();
    }
  });
  after(() => redis?.stop());

  it('retries a job until it succeeds', async () => {
    const attempts: number[] = [];
    const { runner, name, queue, registry } = run(async (_data, { attempt }) => {
      attempts.push(attempt);
      if (attempt < 3) throw new Error('not yet');
    });
    await runner.enqueue(name, { n: 1 }, { id: 'a:1' });
    await eventually('the job is completed', async () => (await queue.getCompletedCount()) === 1);
    assert.deepEqual(attempts, [1, 2, 3]);
    assert.match(
      await registry.metrics(),
      /pcf_api_job_duration_seconds_count\{queue="[^"]+",outcome="error"\} 2/,
    );
  });

  it('runs a job once that is enqueued twice with the same ID', async () => {
    const done: number[] = [];
    const { runner, name } = run(async ({ n }) => void done.push(n));
    await runner.enqueue(name, { n: 1 }, { id: 'same' });
    await eventually('the job is completed', () => done.length === 1);
    await runner.enqueue(name, { n: 2 }, { id: 'same' });
    await runner.enqueue(name, { n: 3 }, { id: 'other' });
    await eventually('the job with another ID is completed', () => done.includes(3));
    assert.deepEqual(done, [1, 3]);
  });

  it('stores a job that failed permanently as a dead letter, which can be listed and retried', async () => {
    let works = false;
    const { runner, name, queue, registry } = run(
      async () => {
        if (!works) throw new Error('the receiver answered 500');
      },
      { name: 'grafana-deployment', attempts: 2 },
    );
    await runner.enqueue(name, { n: 1 }, { id: 'lost' });
    await eventually('the job has failed', async () => (await queue.getFailedCount()) === 1);
    assert.match(await registry.metrics(), /pcf_api_job_dead_letters_total\{queue="grafana-deployment"\} 1/);
    const env = { PCF_API__REDIS__URL: redis!.url, PCF_API__DATABASE__URL: 'postgresql://localhost/none' };
    const { stdout } = await runRole(['jobs', 'dead', '--json'], env);
    const [letter] = JSON.parse(stdout) as { queue: string; id: string; attempts: number; reason: string }[];
    assert.deepEqual(
      [letter?.queue, letter?.id, letter?.attempts, letter?.reason],
      ['grafana-deployment', 'lost', 2, 'the receiver answered 500'],
    );
    works = true;
    assert.equal((await runRole(['jobs', 'retry', name, 'lost'], env)).code, 0);
    await eventually('the job is completed', async () => (await queue.getCompletedCount()) === 1);
    assert.equal((await runRole(['jobs', 'retry', 'nonsense'], env)).code, 64);
  });

  it('does not retry a job that fails with HopelessJobError', async () => {
    let tries = 0;
    const { runner, name, queue } = run(async () => {
      tries += 1;
      throw new HopelessJobError('gone');
    });
    await runner.enqueue(name, { n: 1 });
    await eventually('the job has failed', async () => (await queue.getFailedCount()) === 1);
    assert.equal(tries, 1);
  });

  it('aborts a job at its timeout and retries it', async () => {
    const reasons: string[] = [];
    const { runner, name } = run(
      async (_data, { signal }) => {
        await new Promise((_resolve, reject) =>
          signal.addEventListener('abort', () => reject(signal.reason)),
        );
      },
      { job_timeout: 50, attempts: 2 },
    );
    runner.queues[0]?.on('error', (error) => reasons.push(error.message));
    await runner.enqueue(name, { n: 1 });
    await eventually('the job has failed', async () => (await runner.queues[0]?.getFailedCount()) === 1);
    const [job] = (await runner.queues[0]?.getFailed()) ?? [];
    assert.match(String(job?.failedReason), /timeout/);
    assert.equal(job?.attemptsMade, 2);
  });

  it('completes the running job on close and starts no other job', async () => {
    const events: string[] = [];
    let finish: () => void = () => undefined;
    const { runner, name } = run(
      async ({ n }) => {
        events.push(`start ${n}`);
        await new Promise<void>((resolve) => {
          finish = resolve;
        });
        events.push(`end ${n}`);
      },
      { concurrency: 1 },
    );
    await runner.enqueue(name, { n: 1 });
    await runner.enqueue(name, { n: 2 });
    await eventually('the first job is running', () => events.length === 1);
    const closed = runner.close(10_000);
    setTimeout(finish, 200);
    await closed;
    assert.deepEqual(events, ['start 1', 'end 1']);
  });

  it('closes within seconds after Redis has terminated, when the active job has finished', async () => {
    const lost = (await startRedis())!;
    const log = pino({ level: 'silent' });
    const client = createRedis({ redis: { ...settings.redis, url: lost.url } }, log, 'waiting')!;
    const metrics = jobMetrics(new Registry());
    const runner = new JobRunner({ redis: client, settings: settings.worker, metrics, log });
    const events: string[] = [];
    const handle = async () => {
      events.push('start');
      await sleep(300);
      events.push('end');
    };
    runner.add({ name: 'busy', handle });
    runner.add({ name: 'idle', handle });
    runner.start();
    await runner.enqueue('busy', {});
    await eventually('the job is running', () => events.length === 1);
    await lost.stop();
    const startedAt = performance.now();
    await runner.close(30_000);
    assert.deepEqual(events, ['start', 'end']);
    assert.ok(performance.now() - startedAt < 10_000);
    client.disconnect();
  });

  it('leaves no queue open and aborts its jobs if a step of the shutdown fails', async () => {
    const log = pino({ level: 'silent' });
    log.warn = () => {
      throw new Error('no space left on device');
    };
    const client = createRedis(settings, pino({ level: 'silent' }), 'waiting')!;
    const metrics = jobMetrics(new Registry());
    const runner = new JobRunner({ redis: client, settings: settings.worker, metrics, log });
    let signal: AbortSignal | undefined;
    runner.add({
      name: 'stuck',
      handle: async (_data, context) => {
        signal = context.signal;
        await sleep(60_000, undefined, { signal });
      },
    });
    runner.start();
    await runner.enqueue('stuck', {});
    await eventually('the job is running', () => signal !== undefined);
    await assert.rejects(runner.close(100), /no space left/);
    assert.deepEqual(
      [signal?.aborted, runner.queues.map(({ closing }) => closing !== undefined)],
      [true, [true]],
    );
    client.disconnect();
  });

  it('the worker terminates within seconds after SIGTERM if Redis terminated, does not respond, or was never reached', async () => {
    const [database, dead, hanging] = await Promise.all([migratedDatabase(), startRedis(), startRedis()]);
    const nowhere = `127.0.0.1:${await freePort()}`;
    const start = (url: string, redisUrl: string) =>
      ApiProcess.start({ PCF_API__DATABASE__URL: url, PCF_API__REDIS__URL: redisUrl }, undefined, 'worker');
    const workers = await Promise.all([
      start(database, dead!.url),
      start(database, hanging!.url),
      start(`postgresql://${nowhere}/none`, `redis://${nowhere}`),
    ]);
    try {
      await Promise.all(workers.slice(0, 2).map((worker) => worker.waitForReady()));
      await dead!.stop();
      hanging!.pause();
      const startedAt = performance.now();
      const ended = workers.map(async (worker) => {
        worker.signal('SIGTERM');
        const { code } = await worker.ended;
        return { code, tookMs: performance.now() - startedAt };
      });
      for (const { code, tookMs } of await Promise.all(ended)) {
        assert.equal(code, 0);
        assert.ok(tookMs < 15_000, `${tookMs} ms`);
      }
    } finally {
      await Promise.all(workers.map((worker) => worker.kill()));
      await Promise.all([dead!.stop(), hanging!.stop()]);
    }
  });

  it('runs every job after connections to Redis were lost', async () => {
    const done = new Set<number>();
    const { runner, name } = run(async ({ n }) => void done.add(n));
    await runner.enqueue(name, { n: 1 });
    await eventually('the job is completed', () => done.has(1));
    const client = new Redis(redis!.url);
    await client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    client.disconnect();
    await Promise.all(Array.from({ length: 20 }, (_, index) => runner.enqueue(name, { n: index + 2 })));
    await eventually('all jobs are completed', () => done.size === 21);
  });

  it('deletes expired records in batches and retains the others', async () => {
    const postgres = await sharedPostgres();
    const url = await postgres.createDatabase();
    await postgres.query('CREATE TABLE things (at timestamptz)', url);
    await postgres.query(
      'INSERT INTO things SELECT now() - make_interval(days => n % 20) FROM generate_series(0, 4999) n',
      url,
    );
    await using under = await openDatabase(url);
    const day = 86_400_000;
    const rule = { table: 'things', where: 'at < $1', keepMs: 9.5 * day };
    const unlimited = { table: 'nonsense', where: 'at < $1', keepMs: 0 };
    const { handle } = retentionJob(under.database.dataSource, [unlimited, rule], 1_000);
    const context = {
      signal: new AbortController().signal,
      attempt: 1,
      isLast: false,
      log: pino({ level: 'silent' }),
    };
    await handle({}, context);
    const count = async () =>
      Number((await postgres.query<{ n: string }>('SELECT count(*) AS n FROM things', url))[0]?.n);
    assert.equal(await count(), 2_500);
    assert.equal(under.events.filter(({ text }) => text.includes('DELETE FROM things')).length, 3);
    await handle({}, context);
    assert.equal(await count(), 2_500, 'a second run deletes nothing');
  });

  it('exits with code 78 and names the missing setting if Redis is not configured', async () => {
    const ended = await runRole(['worker'], { PCF_API__DATABASE__URL: 'postgresql://localhost/none' });
    assert.equal(ended.code, 78);
    assert.match(ended.terminationMessage, /redis\.url: is required/);
  });
});
