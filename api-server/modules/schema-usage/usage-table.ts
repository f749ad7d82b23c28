/** Writes the uses of the schema, and the schema that this process serves. */
import type { Access } from '../../database/access.js';
import type { DataSource } from '../../database/pool/data-source.js';
import { databaseSession } from '../../database/pool/session.js';
import type { Usage } from '../../graphql/usage/usage-counter.js';

export interface ServedSchema {
  /** SHA-256 hash of the text. */
  hash: string;
  sdl: string;
  /** Version of the image. */
  version: string;
}

/** Limits the time for which a statement holds its row locks. */
const BATCH = 1_000;

const USAGE: Access = { mode: 'write', tables: ['schema_usage'] };
// A fixed lock order prevents deadlocks between pods. The time is indexed: it changes every ten minutes only, so that the
// other updates change no index.
const ADD = `INSERT INTO schema_usage AS usage
    (coordinate, client, application, version, day, count, last_used_at)
  SELECT coordinate, client, application, version, date_trunc('day', now(), 'UTC'), count, now()
  FROM unnest(CAST($1 AS text[]), CAST($2 AS text[]), CAST($3 AS text[]), CAST($4 AS text[]), CAST($5 AS float8[]))
    AS used (coordinate, client, application, version, count)
  ORDER BY coordinate, client, application, version
  ON CONFLICT (coordinate, client, application, version, day) DO UPDATE SET
    count = usage.count + excluded.count,
    last_used_at = CASE WHEN usage.last_used_at < excluded.last_used_at - interval '10 minutes'
      THEN excluded.last_used_at ELSE usage.last_used_at END`;

const SERVED: Access = { mode: 'write', tables: ['served_schemas'] };
const SERVE = `INSERT INTO served_schemas (hash, sdl, version, last_served_at) VALUES ($1, $2, $3, now())
  ON CONFLICT (hash) DO UPDATE SET version = excluded.version, last_served_at = excluded.last_served_at`;

export class UsageTable {
  constructor(private readonly dataSource: DataSource) {}

  /** Adds the counts, in batches. Throws UsageNotStored with those that were not stored. */
  async add(usages: readonly Usage[]): Promise<void> {
    for (let start = 0; start < usages.length; start += BATCH) {
      const batch = usages.slice(start, start + BATCH);
      const columns = [
        batch.map(({ coordinate }) => coordinate),
        batch.map(({ name }) => name),
        batch.map(({ application }) => application),
        batch.map(({ version }) => version),
        batch.map(({ count }) => count),
      ];
      try {
        await this.#run(USAGE, ADD, columns);
      } catch (error) {
        throw new UsageNotStored(usages.slice(start), error);
      }
    }
  }

  /** Records that the schema is served now. */
  async serve({ hash, sdl, version }: ServedSchema): Promise<void> {
    await this.#run(SERVED, SERVE, [hash, sdl, version]);
  }

  /** The statements belong to no request, so they must not use the session of one. */
  #run(access: Access, sql: string, values: unknown[]): Promise<object[]> {
    return databaseSession.exit(() => this.dataSource.runSql(access, sql, values));
  }
}

export class UsageNotStored extends Error {
  override readonly name = 'UsageNotStored';

  constructor(
    /** The counts that were not stored. */
    readonly rest: readonly Usage[],
    override readonly cause: unknown,
  ) {
    super('uses of the schema were not stored');
  }
}
