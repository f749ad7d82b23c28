/**
 * Ends what a connection runs, by the protocol's own message on a connection of its own. Unlike
 * pg_cancel_backend it works through a pooler, which gives each client a number and a key it made
 * up, and knows which server's connection is meant.
 */
import { once } from 'node:events';
import pg from 'pg';

/** What pg's client knows, though its types don't say so. */
interface Cancellable {
  host: string;
  port: number;
  ssl: pg.ConnectionConfig['ssl'];
  /** `direct`: TLS begins at once, without asking for it. */
  sslNegotiation?: string;
  processID: number;
  secretKey: number;
}

interface RawConnection extends pg.Connection {
  connect(port: number | string, host?: string): void;
  requestSsl(): void;
  cancel(processId: number, secretKey: number): void;
}

/** Resolves when the server has closed the connection: then the message has had its effect. */
export async function cancelRequest(client: pg.ClientBase, timeoutMs: number): Promise<void> {
  const { host, port, ssl, sslNegotiation, processID, secretKey } = client as pg.ClientBase & Cancellable;
  const connection = new pg.Connection({ ssl, sslNegotiation } as never) as RawConnection;
  if (ssl && sslNegotiation !== 'direct') connection.once('connect', () => connection.requestSsl());
  connection.once(ssl ? 'sslconnect' : 'connect', () => connection.cancel(processID, secretKey));
  const timer = setTimeout(() => connection.stream.destroy(new Error('no response')), timeoutMs);
  try {
    const ended = once(connection, 'end'); // rejects at an error
    if (host.startsWith('/')) connection.connect(`${host}/.s.PGSQL.${port}`);
    else connection.connect(port, host);
    await ended;
  } finally {
    clearTimeout(timer);
    connection.on('error', () => undefined); // one that comes late
    connection.stream.destroy();
  }
}
