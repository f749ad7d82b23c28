import type { SchemaCheck } from '../../contract/image.js';
import { imageSchema } from '../config/image-schema.js';
import type { Settings } from '../config/schema.js';
import { changesInUse, type RecordedUse, schemaCheckOf } from '../graphql/usage/schema-check.js';
import type { KnownMigration } from '../migrations/engine/known-migrations.js';
import { openSession } from '../migrations/engine/migration-session.js';
import { createLogger } from '../observability/logging/logger.js';
import type { SchemaCheckOptions } from './schema-check-options.js';

/**
 * Each process records the schema that it serves every two minutes or more often. An older record is that of a
 * version that serves no more, unless no process serves.
 */
const SERVED = `SELECT sdl FROM served_schemas
  WHERE last_served_at >= (SELECT max(last_served_at) FROM served_schemas) - interval '5 minutes'`;
const USED = `SELECT DISTINCT coordinate FROM schema_usage
  WHERE last_used_at >= now() - make_interval(secs => $1)
    AND client <> ALL (CAST($2 AS text[])) AND application <> ALL (CAST($2 AS text[]))`;
const CLIENTS = `SELECT coordinate, client, application, max(last_used_at) AS "lastUsedAt" FROM schema_usage
  WHERE last_used_at >= now() - make_interval(secs => $1)
    AND client <> ALL (CAST($2 AS text[])) AND application <> ALL (CAST($2 AS text[]))
    AND coordinate = ANY (CAST($3 AS text[]))
  GROUP BY coordinate, client, application`;

/**
 * Compares a GraphQL schema in SDL, by default that of this image, with the served ones and their recorded use.
 * The migrations of this image must be applied. Throws the error of the database, or of an invalid schema.
 */
export async function checkSchema(
  settings: Settings,
  known: KnownMigration[],
  { windowMs, ignoreClients }: SchemaCheckOptions,
  sdl: string = imageSchema(),
): Promise<SchemaCheck> {
  const log = createLogger(settings.logging.level, 'stderr');
  await using session = await openSession(settings, known, log);
  const { runner } = session;
  const seconds = windowMs / 1_000;
  const served: { sdl: string }[] = await runner.query(SERVED);
  const used: { coordinate: string }[] = await runner.query(USED, [seconds, ignoreClients]);
  const changes = changesInUse(
    served.map((one) => one.sdl),
    sdl,
    used.map(({ coordinate }) => coordinate),
  );
  if (changes.length === 0) return { inUse: [] };
  const broken = changes.map(({ coordinate }) => coordinate);
  const uses: RecordedUse[] = await runner.query(CLIENTS, [seconds, ignoreClients, broken]);
  return schemaCheckOf(changes, uses);
}
