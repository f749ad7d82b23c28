import { EXIT } from '../../contract/image.js';
import { ConfigError } from '../config/config-error.js';
import { loadSettings } from '../config/load.js';
import { openQueue } from '../platform/jobs/queues.js';
import { createLogger } from '../platform/logging/logger.js';
import { createRedis, type RedisClient } from '../platform/redis/redis.js';
import { QUEUES } from './worker.js';

/** Enough for a person; a program asks for JSON and pages by trying again what it has seen. */
const MAX = 1_000;

/** `jobs dead`: what failed for good, with its last error. Not its data: that is the users'. */
export async function listDead({ json }: { json?: boolean }): Promise<number> {
  return withRedis(async (redis, settings) => {
    const letters = [];
    for (const name of QUEUES) {
      const queue = openQueue(name, redis, settings);
      for (const { id, failedReason, attemptsMade, finishedOn } of await queue.getFailed(0, MAX - 1)) {
        const at = new Date(finishedOn ?? 0).toISOString();
        letters.push({ queue: name, id, at, attempts: attemptsMade, reason: failedReason });
      }
      await queue.close();
    }
    const lines = letters.map(({ queue, id, at, attempts, reason }) =>
      [at, queue, id, attempts, reason].join('  '),
    );
    const text = letters.length === 0 ? 'no dead letters' : lines.join('\n');
    process.stdout.write(json ? `${JSON.stringify(letters)}\n` : `${text}\n`);
    return EXIT.ok;
  });
}

/** `jobs retry`: puts dead letters back, as if they were new. */
export async function retryDead(name: string, ids: string[]): Promise<number> {
  if (!QUEUES.includes(name)) {
    process.stderr.write(`there is no queue ${name}; there are ${QUEUES.join(', ')}\n`);
    return EXIT.usage;
  }
  return withRedis(async (redis, settings) => {
    const queue = openQueue(name, redis, settings);
    const dead = await queue.getFailed(0, MAX - 1);
    const wanted = ids.length === 0 ? dead : dead.filter(({ id }) => ids.includes(String(id)));
    for (const job of wanted) await job.retry('failed', { resetAttemptsMade: true });
    await queue.close();
    process.stdout.write(`${wanted.length} put back\n`);
    return wanted.length < ids.length ? EXIT.failure : EXIT.ok;
  });
}

async function withRedis(
  work: (redis: RedisClient, settings: Awaited<ReturnType<typeof loadSettings>>['worker']) => Promise<number>,
): Promise<number> {
  const settings = await loadSettings();
  const redis = createRedis(settings, createLogger('warn', 'stderr'), 'waiting');
  if (!redis) throw new ConfigError([{ path: 'redis.url', problem: 'is required; jobs are in Redis' }]);
  try {
    return await work(redis, settings.worker);
  } finally {
    redis.disconnect();
  }
}
