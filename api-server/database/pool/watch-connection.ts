/** A connection for monitoring: its loss is the first sign that the database is unavailable. */
import pg from 'pg';

export interface WatchConnection {
  query(sql: string, values?: unknown[]): Promise<Record<string, unknown>[]>;
  /** Called for each NOTIFY on a channel that it LISTENs to. */
  onNotification(listener: () => void): void;
  /** Resolves once, when the connection is closed for any reason. */
  lost: Promise<unknown>;
  close(): Promise<void>;
}

export async function openWatchConnection(url: string, timeoutMs: number): Promise<WatchConnection> {
  const client = new pg.Client({
    connectionString: url,
    application_name: 'pcf-api monitor',
    connectionTimeoutMillis: timeoutMs,
    query_timeout: timeoutMs,
    keepAlive: true,
  });
  const lost = new Promise((resolve) => {
    client.once('error', resolve);
    client.once('end', () => resolve(new Error('Connection terminated')));
  });
  client.on('error', () => undefined); // a second error must not terminate the process
  try {
    await client.connect();
  } catch (error) {
    await client.end().catch(() => undefined);
    throw error;
  }
  return {
    lost,
    onNotification: (listener) => void client.on('notification', listener),
    query: async (sql, values) => (await client.query<Record<string, unknown>>(sql, values)).rows,
    close: () => client.end().catch(() => undefined),
  };
}
