/**
 * Recent writers in Redis, so that clients read their own writes from any process. While Redis is
 * unavailable, each process has only its own writers.
 */
import type { Logger } from '../../observability/logging/logger.js';
import type { RedisClient } from '../../redis/redis.js';

const KEY = 'pcf:writer:';
/** Concurrent writes must not decrease the position. Texts of equal length sort like their numbers. */
const RAISE = `local known = redis.call('GET', KEYS[1])
if not known or known < ARGV[1] then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end`;

export class SharedWriters {
  constructor(
    private readonly redis: RedisClient,
    private readonly ttlMs: number,
    private readonly log: Logger,
  ) {}

  /** Await this before responding to the writer: its next request can arrive immediately at any process. */
  async note(writer: string, lsn: bigint): Promise<void> {
    const position = lsn.toString(16).padStart(16, '0');
    await this.redis.eval(RAISE, 1, KEY + writer, position, this.ttlMs).catch((error: unknown) => {
      this.log.debug({ err: error }, 'recording a write in Redis failed');
    });
  }

  async lsnOf(writer: string): Promise<bigint | undefined> {
    const position = await this.redis.get(KEY + writer).catch(() => null);
    return position === null ? undefined : BigInt(`0x${position}`);
  }
}
