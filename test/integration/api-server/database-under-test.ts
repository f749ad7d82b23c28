/** Opens the database layer without the API server, on real PostgreSQL servers. */

import { pino } from 'pino';
import { loadSettings } from '../../../api-server/config/load.js';
import type { Settings } from '../../../api-server/config/schema.js';
import type { Access } from '../../../api-server/database/access.js';
import { Database } from '../../../api-server/database/database.js';
import { DatabaseSession, databaseSession } from '../../../api-server/database/pool/session.js';
import type { StatementEvent } from '../../../api-server/database/pool/statement-observer.js';
import type { ReplicaState } from '../../../api-server/database/replica/replica-monitor.js';
import { schemaMisfit } from '../../../api-server/migrations/engine/schema-misfit.js';
import { eventually } from '../../support/cluster/pcf-api.js';

export interface DatabaseUnderTest extends AsyncDisposable {
  database: Database;
  events: StatementEvent[];
  retries: string[];
  logs: Record<string, unknown>[];
  /** Runs SQL in a session, like a request. */
  as<Row extends object>(session: DatabaseSession, access: Access, sql: string): Promise<Row[]>;
  /** Runs a read without a session. */
  read<Row extends object>(sql: string, values?: unknown[]): Promise<Row[]>;
  /** Returns the server that runs the reads of a session. */
  readsFrom(session?: DatabaseSession): Promise<'primary' | 'replica'>;
}

export const READ: Access = { mode: 'read', tables: ['notes'] };
export const WRITE: Access = { mode: 'write', tables: ['notes'] };

/** Opens the database and waits until it is ready and, if there is a replica, until it is in `replicaState`. */
export async function openDatabase(
  url: string,
  more: Partial<Settings['database']> = {},
  replicaState: ReplicaState = 'ready',
): Promise<DatabaseUnderTest> {
  const { database: base } = await loadSettings({
    PCF_API__DATABASE__URL: url,
    PCF_CONFIG_DIR: '/nonexistent',
  });
  const events: StatementEvent[] = [];
  const retries: string[] = [];
  const logs: Record<string, unknown>[] = [];
  const log = pino({ level: 'debug' }, { write: (line) => void logs.push(JSON.parse(line)) });
  const database = new Database({
    settings: { ...base, retry_initial: 50, retry_max: 200, replica_probe_interval: 20, ...more },
    entities: [],
    schemaMisfit: (connection) => schemaMisfit(connection, []),
    log,
    observe: (event) => void events.push(event),
    onRetry: (kind) => void retries.push(kind),
  });
  database.start();
  await eventually('the database is ready', () => database.monitor.isReady);
  if (more.replica_url) {
    await eventually(`the replica is ${replicaState}`, () => database.replicaStatus?.state === replicaState);
  }
  const as = <Row extends object>(session: DatabaseSession, access: Access, sql: string) =>
    databaseSession.run(session, () => database.dataSource.runSql<Row>(access, sql));
  const read = <Row extends object>(sql: string, values?: unknown[]) =>
    database.dataSource.runSql<Row>(READ, sql, values);
  const readsFrom = async (session = new DatabaseSession()) => {
    const [row] = await as<{ standby: boolean }>(session, READ, 'SELECT pg_is_in_recovery() AS standby');
    return row?.standby ? 'replica' : 'primary';
  };
  return {
    database,
    events,
    retries,
    logs,
    as,
    read,
    readsFrom,
    [Symbol.asyncDispose]: () => database.close(),
  };
}
