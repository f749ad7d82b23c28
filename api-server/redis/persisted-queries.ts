import type { KeyValueCache } from '@apollo/utils.keyvaluecache';
import type { RedisClient } from './redis.js';

const PREFIX = 'pcf:apq:';
const TTL_SECONDS = 24 * 3_600;

/**
 * Persisted queries, shared by all pods: a client registers a query at one pod and can use its hash
 * at all others. While Redis is unavailable, lookups find nothing, and clients send the complete
 * query, as the protocol specifies.
 */
export function persistedQueries(redis: RedisClient): KeyValueCache<string> {
  return {
    get: async (key) => (await redis.get(PREFIX + key).catch(() => null)) ?? undefined,
    set: async (key, value) => {
      await redis.set(PREFIX + key, value, 'EX', TTL_SECONDS).catch(() => undefined);
    },
    delete: async (key) => Boolean(await redis.del(PREFIX + key).catch(() => 0)),
  };
}
