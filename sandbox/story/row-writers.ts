/**
 * Writes rows that a backfill is about to update: those after its cursor, which its batch locks. Random rows
 * of a large table would rarely conflict with it.
 */
import type { Client } from 'pg';
import type { Load } from './load.js';
import { MOVE } from './split/images.js';
import { globalId, type Writer, Writers } from './writers.js';

/** A batch can have some thousands of rows. */
const NEAR = 2_000;

/** The first run of a backfill creates the table. */
const IS_STARTED = "SELECT to_regclass('schema_backfills') IS NOT NULL AS started";
/** The next rows of a backfill in its order. */
const NEXT_ROWS = `
  SELECT id FROM services
  WHERE id > coalesce((SELECT cursor FROM schema_backfills WHERE name = $1), '00000000-0000-0000-0000-000000000000')::uuid
  ORDER BY id LIMIT $2`;

export class RowWriters extends Writers {
  /** Last written value by row id. */
  readonly written = new Map<string, string>();

  constructor(
    load: Load,
    databaseUrl: string,
    private readonly backfill: string,
  ) {
    super(load, databaseUrl);
  }

  protected override async isReady(database: Client): Promise<boolean> {
    const { rows } = await database.query<{ started: boolean }>(IS_STARTED);
    return Boolean(rows[0]?.started);
  }

  protected override async write(writer: Writer): Promise<void> {
    const { rows } = await writer.database.query<{ id: string }>(NEXT_ROWS, [this.backfill, NEAR]);
    const row = rows[Math.floor(Math.random() * rows.length)];
    if (!row) return;
    const repository = `https://git.example.com/${writer.name}/${writer.count}#main`;
    if (await this.mutate(MOVE, { id: globalId(row.id), repository }, writer)) {
      this.written.set(row.id, repository);
    }
  }
}
