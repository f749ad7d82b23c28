import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { loadSettings } from '../../../api-server/config/load.js';
import type { Settings } from '../../../api-server/config/schema.js';
import { HopelessJobError, type JobDefinition } from '../../../api-server/jobs/job.js';
import { addQueueGauges, jobMetrics } from '../../../api-server/jobs/job-metrics.js';
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
    addQueueGauges(registry, () => runner.counts());
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

  describe('with different payload versions', () => {
    const payloads = (name: string, writes: number, readsFrom: number, readsTo: number): JobPayloads => ({
      [name]: { writes, readsFrom, readsTo },
    });
    /** A runner that queues jobs of another image, and processes none of them. */
    const startProducer = (name: string, of: JobPayloads) => {
      const { runner } = startWorker('other', async () => undefined, of);
      runner.add({ name, handle: async () => undefined });
      return runner;
    };
    const unreadableOf = async ({ registry }: { registry: Registry }, name: string) => {
      const [, value] =
        new RegExp(`jobs_unreadable\\{queue="${name}"\\} (\\d+)`).exec(await registry.metrics()) ?? [];
      return Number(value);
    };

    it('a worker takes none of 1,000 jobs that it cannot read, in front of 100 that it can', async () => {
      const name = 'versions';
      const fresh = startProducer(name, payloads(name, 2, 2, 2));
      const old = startWorker(name, async ({ n }) => record(n, 'old'), payloads(name, 1, 1, 1));
      await Promise.all(
        Array.from({ length: 1_000 }, (_, n) => fresh.enqueue(name, { n: 1_000 + n }, { id: `v2-${n}` })),
      );
      await Promise.all(Array.from({ length: 100 }, (_, n) => old.runner.enqueue(name, { n })));
      await eventually('the readable jobs have had their effect', async () => (await total()) === 100);
      const [queue] = fresh.queues.filter((one) => one.name.startsWith(name));
      const jobs = await Promise.all(Array.from({ length: 1_000 }, (_, n) => queue!.getJob(`v2-${n}`)));
      const taken = jobs.filter((job) => job?.attemptsStarted !== 0);
      assert.equal(taken.length, 0, 'jobs that the worker cannot read were taken from their queue');
      assert.equal(await unreadableOf(old, name), 1_000);

      const versions = new Set<number | undefined>();
      const reader = startWorker(
        name,
        async ({ n }, { version }) => {
          versions.add(version);
          await record(n, 'fresh');
        },
        payloads(name, 2, 1, 2),
      );
      await eventually('the new image has processed them', async () => (await total()) === 1_100);
      assert.deepEqual([await effects(), [...versions]], [{ old: 100, fresh: 1_000 }, [2]]);
      assert.deepEqual([await unreadableOf(old, name), await unreadableOf(reader, name)], [0, 0]);
      const counts = await Promise.all(
        reader.runner.queues.map((one) => one.getJobCounts('failed', 'waiting')),
      );
      for (const { failed, waiting } of counts) assert.deepEqual([failed, waiting], [0, 0]);
    });

    it('a dead letter of a version that a worker cannot read is counted as failed, and not as unreadable', async () => {
      const name = 'dead';
      const fail = async () => {
        throw new HopelessJobError('gone');
      };
      const fresh = startWorker(name, fail, payloads(name, 2, 2, 2));
      await fresh.runner.enqueue(name, { n: 1 });
      await eventually('the job has failed', async () => (await fresh.queue.getFailedCount()) === 1);
      const old = startWorker(name, async () => undefined, payloads(name, 1, 1, 1));
      assert.match(await old.registry.metrics(), /pcf_api_jobs\{queue="dead",state="failed"\} 1/);
      assert.equal(await unreadableOf(old, name), 0);
    });

    it('a schedule runs with the data of the image whose worker takes it, and only once', async () => {
      const name = 'ticks';
      const runs: string[] = [];
      const add = (revision: string, of: JobPayloads) => {
        const { runner } = startWorker('other', async () => undefined, of);
        const every = { ms: 200, data: { revision } };
        const handle = async (data: { revision: string }) => void runs.push(`${revision} ${data.revision}`);
        runner.add({ name, every, handle });
        runner.start();
        return runner;
      };
      const fresh = add('fresh', payloads(name, 2, 2, 2));
      await eventually('the new image has run it', () => runs.includes('fresh fresh'));
      await fresh.close(1_000);
      const old = add('old', payloads(name, 1, 1, 1));
      await eventually('the old image has run it', () => runs.includes('old old'));
      assert.deepEqual([...new Set(runs)], ['fresh fresh', 'old old']);
      assert.equal(await old.queues.find((one) => one.name === name)!.getJobSchedulersCount(), 1);
    });
  });
});
