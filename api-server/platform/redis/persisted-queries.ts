import type { KeyValueCache } from '@apollo/utils.keyvaluecache';
import type { RedisClient } from './redis.js';

const PREFIX = 'pcf:apq:';
const TTL_SECONDS = 24 * 3_600;

/**
 * Persisted queries, shared by all pods: a client registers a query with one and
 * may use its hash with any other. When Redis is away nothing is found, and the
 * client sends the whole query, as the protocol has it.
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
