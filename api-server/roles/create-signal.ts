import type { Settings } from '../config/schema.js';
import type { Database } from '../database/database.js';
import { type EventSignal, PostgresSignal, RedisSignal } from '../modules/events/event-signal.js';
import type { Logger } from '../observability/logging/logger.js';
import { createRedis, type RedisClient } from '../redis/redis.js';

/** The signal between processes: Redis if it is configured, otherwise PostgreSQL. */
export function createSignal(
  settings: Settings,
  database: Database,
  redis: RedisClient | undefined,
  log: Logger,
): EventSignal {
  if (!redis) return new PostgresSignal(database.dataSource, () => database.openWatch(), log);
  const openListener = () => {
    const listener = createRedis(settings, log, 'waiting');
    if (!listener) throw new Error('Redis is not configured');
    return listener;
  };
  return new RedisSignal(redis, openListener, log);
}
