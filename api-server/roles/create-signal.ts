import type { Settings } from '../config/schema.js';
import { type EventSignal, PostgresSignal, RedisSignal } from '../modules/events/event-signal.js';
import type { Database } from '../platform/database/database.js';
import type { Logger } from '../platform/logging/logger.js';
import { createRedis, type RedisClient } from '../platform/redis/redis.js';

/** How this process and the others tell each other of events: by Redis when there is one, else by the database. */
export function createSignal(
  settings: Settings,
  database: Database,
  redis: RedisClient | undefined,
  log: Logger,
): EventSignal {
  if (!redis) return new PostgresSignal(database.dataSource, () => database.openWatch(), log);
  const openListener = () => {
    const listener = createRedis(settings, log, 'waiting');
    if (!listener) throw new Error('there is no Redis');
    return listener;
  };
  return new RedisSignal(redis, openListener, log);
}
