/**
 * Cache of the responses of expensive queries in Redis. An entry contains the generation of each
 * table that was read for it. A mutation increments the generations of the tables it wrote, which
 * invalidates the entries in all processes.
 */
import { createHash } from 'node:crypto';
import type { Logger } from '../../observability/logging/logger.js';
import type { RedisClient } from '../../redis/redis.js';

export interface ResponseCacheParts {
  redis: RedisClient;
  /** Hash of the schema: responses of another schema are not used. */
  schemaHash: string;
  onLookup(outcome: 'hit' | 'miss'): void;
  log: Logger;
}

export interface CacheKey {
  documentHash: string;
  operationName: string | undefined;
  variables: object;
  /** Cache scope of the identity: identities with the same scope share responses. */
  scope: string;
}

/** Result of a lookup: the cached response, or the place to store a new one. */
export interface CachePlace {
  /** The cached response as text; undefined when there is no valid entry. */
  found?: string;
  /** Stores a response that was computed from these tables after the lookup. */
  keep(text: string, tables: ReadonlySet<string>, seconds: number): void;
}

/** The hash tag keeps all generations in one slot of a Redis Cluster, so that one command reads them. */
const GENERATION = 'pcf:{cache}:generation:';
const ENTRY = 'pcf:{cache}:entry:';
/** Longer than the TTL of any entry. */
const GENERATION_SECONDS = 7 * 86_400;
const MAX_TEXT = 1_000_000;

interface Entry {
  generations: (string | null)[];
  text: string;
}

export class ResponseCache {
  constructor(private readonly parts: ResponseCacheParts) {}

  /** Looks up the response of a query on these tables. Without Redis it finds none. */
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
        // The generations were read before the response is computed, so a concurrent change invalidates
        // the entry immediately.
        const isOfThese = values && [...read].every((table) => tables.includes(table));
        if (!isOfThese || text.length > MAX_TEXT) return;
        const entry: Entry = { generations, text };
        void redis.set(name, JSON.stringify(entry), 'EX', seconds).catch(() => undefined);
      },
    };
  }

  /** Await this before responding to the writer. Then every client reads the new data. */
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
