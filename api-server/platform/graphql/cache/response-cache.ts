/**
 * Answers that are dear to make, kept in Redis. An entry holds the generation of
 * each table that was read for it; a mutation raises those of the tables it wrote,
 * and what was made of them before is no longer good, in any process.
 */
import { createHash } from 'node:crypto';
import type { Logger } from '../../logging/logger.js';
import type { RedisClient } from '../../redis/redis.js';

export interface ResponseCacheParts {
  redis: RedisClient;
  /** Answers of another schema are of no use. */
  schemaHash: string;
  onLookup(outcome: 'hit' | 'miss'): void;
  log: Logger;
}

export interface CacheKey {
  documentHash: string;
  operationName: string | undefined;
  variables: object;
  /** Whose answer it is: those who see the same have the same. */
  scope: string;
}

/** A place for one answer, as it is looked up before it is made. */
export interface CachePlace {
  /** The answer as text, when it is there and still good. */
  found?: string;
  /** Keeps an answer that was made since from these tables. */
  keep(text: string, tables: ReadonlySet<string>, seconds: number): void;
}

/** In one slot of a cluster, so that they are asked for at once. */
const GENERATION = 'pcf:{cache}:generation:';
const ENTRY = 'pcf:{cache}:entry:';
/** Longer than any entry lives. */
const GENERATION_SECONDS = 7 * 86_400;
const MAX_TEXT = 1_000_000;

interface Entry {
  generations: (string | null)[];
  text: string;
}

export class ResponseCache {
  constructor(private readonly parts: ResponseCacheParts) {}

  /** Looks for an answer that was made of these tables. Without Redis there is none. */
  async look(key: CacheKey, tables: readonly string[]): Promise<CachePlace> {
    const { redis, onLookup } = this.parts;
    const name = ENTRY + this.#digest(key);
    const values = await redis
      .mget([name, ...tables.map((table) => GENERATION + table)])
      .catch(() => undefined);
    const [stored, ...generations] = values ?? [];
    const found = stored && fresh(stored, generations);
    onLookup(found ? 'hit' : 'miss');
    return {
      ...(found && { found }),
      keep: (text, read, seconds) => {
        // Read before it was made: what changed meanwhile makes the entry old at once.
        const isOfThese = values && [...read].every((table) => tables.includes(table));
        if (!isOfThese || text.length > MAX_TEXT) return;
        const entry: Entry = { generations, text };
        void redis.set(name, JSON.stringify(entry), 'EX', seconds).catch(() => undefined);
      },
    };
  }

  /** To be awaited before who wrote is told: then everybody sees what was written. */
  async forget(tables: ReadonlySet<string>): Promise<void> {
    if (tables.size === 0) return;
    const { redis, log } = this.parts;
    const raise = async (table: string) => {
      await redis.incr(GENERATION + table);
      await redis.expire(GENERATION + table, GENERATION_SECONDS);
    };
    await Promise.all([...tables].map(raise)).catch((error: unknown) => {
      if (redis.status === 'ready')
        log.warn({ err: error }, 'response cache invalidation failed, entries stay until they expire');
    });
  }

  #digest({ documentHash, operationName = '', variables, scope }: CacheKey): string {
    const text = JSON.stringify([this.parts.schemaHash, documentHash, operationName, scope, variables]);
    return createHash('sha256').update(text).digest('base64url');
  }
}

function fresh(stored: string, generations: readonly (string | null)[]): string | undefined {
  const entry = JSON.parse(stored) as Entry;
  const isFresh =
    entry.generations.length === generations.length &&
    entry.generations.every((generation, index) => generation === generations[index]);
  return isFresh ? entry.text : undefined;
}
