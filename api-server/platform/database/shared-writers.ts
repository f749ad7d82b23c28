/**
 * Who has written lately, in Redis: so that a client reads what it wrote at any process. While
 * Redis is away each process knows its own writers only.
 */
import type { Logger } from '../logging/logger.js';
import type { RedisClient } from '../redis/redis.js';

const KEY = 'pcf:writer:';
/** Two that write at the same time must not put each other back. Texts of one length order as their numbers do. */
const RAISE = `local known = redis.call('GET', KEYS[1])
if not known or known < ARGV[1] then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end`;

export class SharedWriters {
  constructor(
    private readonly redis: RedisClient,
    private readonly ttlMs: number,
    private readonly log: Logger,
  ) {}

  /** To be awaited before the writer is answered: its next request may come at once, to anybody. */
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
