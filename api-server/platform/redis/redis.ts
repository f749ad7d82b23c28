/** Redis is a help, never a need: without it the API is slower or forgets more, but serves. */
import { Cluster, Redis } from 'ioredis';
import type { Settings } from '../../config/schema.js';
import { backoffMs } from '../backoff.js';
import type { Logger } from '../logging/logger.js';

export type RedisClient = Redis | Cluster;

export type RedisState = 'ready' | 'away' | 'not configured';

const COMMAND_TIMEOUT_MS = 500;
const BACKOFF = { initialMs: 200, maxMs: 10_000 };

/** Connects in the background and keeps trying; undefined when no URL is set. */
export function createRedis({ redis }: Settings, log: Logger): RedisClient | undefined {
  if (!redis.url) return undefined;
  // A command fails at once when Redis is away: a request must not wait for a cache.
  const options = {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    commandTimeout: COMMAND_TIMEOUT_MS,
    connectTimeout: 5_000,
    connectionName: 'pcf-api',
  };
  const retry = (times: number) => backoffMs(times - 1, BACKOFF);
  const client =
    redis.mode === 'cluster'
      ? new Cluster([redis.url], {
          clusterRetryStrategy: retry,
          enableOfflineQueue: false,
          redisOptions: options,
        })
      : new Redis(redis.url, { ...options, retryStrategy: retry });
  logStates(client, log);
  return client;
}

export function redisState(client: RedisClient | undefined): RedisState {
  if (!client) return 'not configured';
  return client.status === 'ready' ? 'ready' : 'away';
}

export function closeRedis(client: RedisClient | undefined): void {
  client?.disconnect();
}

/** Says when the state changes, not at every try. */
function logStates(client: RedisClient, log: Logger): void {
  let away = false;
  client.on('ready', () => {
    away = false;
    log.info('Redis is ready');
  });
  client.on('error', (error: Error) => {
    if (!away) log.warn({ err: error }, 'Redis is away, serving without it');
    away = true;
  });
}
