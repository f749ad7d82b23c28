import { EXIT } from '../../contract/image.js';
import { ConfigError } from '../config/config-error.js';
import { loadSettings } from '../config/load.js';
import type { Settings } from '../config/schema.js';
import { openQueue, queueNames } from '../jobs/queues.js';
import { createLogger } from '../observability/logging/logger.js';
import { createRedis, type RedisClient } from '../redis/redis.js';
import { QUEUES } from './worker.js';

type WorkerSettings = Settings['worker'];

/** Maximum number of dead letters per queue that a command reads. */
const MAX = 1_000;

/** `jobs dead`: lists permanently failed jobs with their last error. It omits job data, which can be confidential. */
export async function listDead({ json }: { json?: boolean }): Promise<number> {
  return withRedis(async (redis, settings) => {
    const letters = [];
    for (const type of QUEUES) {
      for (const { id, failedReason, attemptsMade, finishedOn } of await failedJobs(type, redis, settings)) {
        const at = new Date(finishedOn ?? 0).toISOString();
        letters.push({ queue: type, id, at, attempts: attemptsMade, reason: failedReason });
      }
    }
    const lines = letters.map(({ queue, id, at, attempts, reason }) =>
      [at, queue, id, attempts, reason].join('  '),
    );
    const text = letters.length === 0 ? 'no dead letters' : lines.join('\n');
    process.stdout.write(json ? `${JSON.stringify(letters)}\n` : `${text}\n`);
    return EXIT.ok;
  });
}

/** `jobs retry`: queues dead letters again, with their attempts reset. */
export async function retryDead(name: string, ids: string[]): Promise<number> {
  if (!QUEUES.includes(name)) {
    process.stderr.write(`unknown queue ${name}; the queues are ${QUEUES.join(', ')}\n`);
    return EXIT.usage;
  }
  return withRedis(async (redis, settings) => {
    const dead = await failedJobs(name, redis, settings);
    const selected = ids.length === 0 ? dead : dead.filter(({ id }) => ids.includes(String(id)));
    for (const job of selected) await job.retry('failed', { resetAttemptsMade: true });
    process.stdout.write(`retrying ${selected.length}\n`);
    return selected.length < ids.length ? EXIT.failure : EXIT.ok;
  });
}

/** Failed jobs of all payload versions. */
async function failedJobs(type: string, redis: RedisClient, settings: WorkerSettings) {
  const names = await queueNames(type, redis);
  const jobs = await Promise.all(names.map((name) => openQueue(name, redis, settings).getFailed(0, MAX - 1)));
  return jobs.flat();
}

async function withRedis(
  work: (redis: RedisClient, settings: WorkerSettings) => Promise<number>,
): Promise<number> {
  const settings = await loadSettings();
  const redis = createRedis(settings, createLogger('warn', 'stderr'), 'waiting');
  if (!redis) throw new ConfigError([{ path: 'redis.url', problem: 'is required; Redis stores the jobs' }]);
  try {
    return await work(redis, settings.worker);
  } finally {
    redis.disconnect();
  }
}
