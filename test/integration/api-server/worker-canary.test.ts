import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { loadSettings } from '../../../api-server/config/load.js';
import type { Settings } from '../../../api-server/config/schema.js';
import type { JobDefinition } from '../../../api-server/jobs/job.js';
import { jobMetrics } from '../../../api-server/jobs/job-metrics.js';
import { JobRunner } from '../../../api-server/jobs/job-runner.js';
import { createRedis, type RedisClient } from '../../../api-server/redis/redis.js';
import type { JobPayloads } from '../../../contract/image.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { sharedPostgres } from '../../support/servers/postgres.js';
import { startRedis, type TestRedis } from '../../support/servers/redis.js';

type Handle = JobDefinition<{ n: number }>['handle'];

describe('workers of two revisions with the same queue', () => {
  let redis: TestRedis | undefined;
  let settings: Settings;
  let pool: pg.Pool;
  const opened: { runner: JobRunner; client: RedisClient }[] = [];

  const startWorker = (name: string, handle: Handle, payloads?: JobPayloads) => {
    const log = pino({ level: 'silent' });
    const client = createRedis(settings, log, 'waiting');
    assert.ok(client);
    const registry = new Registry();
    const worker = { ...settings.worker, concurrency: 2, retry_initial: 20 };
    const metrics = jobMetrics(registry);
    const runner = new JobRunner({ redis: client, settings: worker, metrics, log, payloads });
    runner.add({ name, handle });
    runner.start();
    opened.push({ runner, client });
    return { runner, queue: runner.queues[0]!, registry };
  };

  /** Records the effect of a job: the primary key rejects a second one. */
  const record = async (n: number, revision: string) => {
    await pool.query('INSERT INTO effects VALUES ($1, $2)', [n, revision]);
  };
  const effects = async () => {
    const { rows } = await pool.query<{ revision: string; jobs: number }>(
      'SELECT revision, count(*)::int AS jobs FROM effects GROUP BY revision',
    );
    return Object.fromEntries(rows.map(({ revision, jobs }) => [revision, jobs]));
  };
  const total = async () => Object.values(await effects()).reduce((sum, jobs) => sum + jobs, 0);

  before(async function () {
    redis = await startRedis();
    if (!redis) return this.skip();
    settings = await loadSettings({
      PCF_API__DATABASE__URL: 'postgresql://localhost/none',
      PCF_API__REDIS__URL: redis.url,
      PCF_CONFIG_DIR: '/nonexistent',
    });
    pool = new pg.Pool({ connectionString: await (await sharedPostgres()).createDatabase(), max: 8 });
    pool.on('error', () => undefined); // the server stops while idle connections are being closed
    await pool.query('CREATE TABLE effects (n int PRIMARY KEY, revision text NOT NULL)');
  });
  beforeEach(() => pool.query('TRUNCATE effects'));
  afterEach(async () => {
    for (const { runner, client } of opened.splice(0)) {
      await runner.close(1_000);
      client.disconnect();
    }
  });
  after(async () => {
    await pool?.end();
    await redis?.stop();
  });

  for (const [stable, canary] of [
    [3, 1],
    [1, 1],
  ] as const) {
    const share = Math.round((100 * canary) / (stable + canary));
    it(`${canary} of ${stable + canary} workers process ${share} % of the jobs`, async () => {
      const name = `share-${stable}`;
      const handle =
        (revision: string): Handle =>
        async ({ n }) => {
          await sleep(10);
          await record(n, revision);
        };
      const workers = [
        ...Array.from({ length: stable }, () => startWorker(name, handle('stable'))),
        ...Array.from({ length: canary }, () => startWorker(name, handle('canary'))),
      ];
      const { runner } = workers[0]!;
      const jobs = 400;
      await Promise.all(Array.from({ length: jobs }, (_, n) => runner.enqueue(name, { n })));
      await eventually('all jobs have had their effect', async () => (await total()) === jobs);
      const measured = (100 * (await effects()).canary!) / jobs;
      assert.ok(Math.abs(measured - share) <= 10, `${measured} %`);
    });
  }

  it('no job is lost or runs twice when the new revision is aborted in the middle of its jobs', async () => {
    const name = 'aborted';
    let isHanging = false;
    const stable = startWorker(name, async ({ n }) => record(n, 'stable'));
    const canary = startWorker(name, async ({ n }, { signal }) => {
      if (isHanging) await sleep(60_000, undefined, { signal });
      await record(n, 'canary');
    });
    const enqueue = (from: number, to: number) =>
      Promise.all(Array.from({ length: to - from }, (_, i) => stable.runner.enqueue(name, { n: from + i })));
    await enqueue(0, 100);
    await eventually('all jobs have had their effect', async () => (await total()) === 100);

    isHanging = true;
    await enqueue(100, 300);
    const isFull = async () => (await total()) === 298 && (await stable.queue.getActiveCount()) === 2;
    await eventually('both jobs of the canary hang, and the others have had their effect', isFull);
    const active = await stable.queue.getActive();
    const startedAt = performance.now();
    await canary.runner.close(100);
    await eventually('the returned jobs have had their effect', async () => (await total()) === 300);
    const tookMs = performance.now() - startedAt;
    assert.ok(tookMs < 5_000, `${tookMs} ms: they waited for the end of their locks`);
    const { failed = 0, waiting = 0, delayed = 0 } = await stable.queue.getJobCounts();
    assert.deepEqual([failed, waiting, delayed], [0, 0, 0]);
    for (const { id } of active) {
      const job = await stable.queue.getJob(id!);
      assert.deepEqual([job?.attemptsMade, job?.stalledCounter], [1, 0], 'the abort counts as no attempt');
    }
    assert.doesNotMatch(await canary.registry.metrics(), /outcome="error"/);
  });

  it('a job with a version that one image cannot read is returned until the other one takes it, and never fails', async () => {
    const name = 'versions';
    const payloads = (writes: number, readsFrom: number, readsTo: number): JobPayloads => ({
      [name]: { writes, readsFrom, readsTo },
    });
    const versions: (number | undefined)[] = [];
    const old = startWorker(name, async ({ n }) => record(n, 'old'), payloads(1, 1, 1));
    await old.runner.enqueue(name, { n: 0 });
    await eventually('the old image has processed its job', async () => (await total()) === 1);

    const producer = startWorker('other', async () => undefined, payloads(2, 2, 2));
    producer.runner.add({ name, handle: async () => undefined });
    await producer.runner.enqueue(name, { n: 1 }, { id: 'second' });
    const unreadable = async () =>
      (await old.registry.metrics()).includes(`unreadable_total{queue="${name}"} `);
    await eventually('the old image has returned the job', unreadable);
    await eventually('it is delayed', async () => (await old.queue.getDelayedCount()) === 1);

    startWorker(
      name,
      async ({ n }, { version }) => {
        versions.push(version);
        await record(n, 'fresh');
      },
      payloads(2, 1, 2),
    );
    await eventually('the new image has processed it', async () => (await total()) === 2);
    const job = await old.queue.getJob('second');
    assert.deepEqual([versions, job?.attemptsMade, await old.queue.getFailedCount()], [[2], 1, 0]);
  });
});
