/**
 * Cancels the running statement of a connection with the protocol's CancelRequest, on a separate
 * connection. Unlike pg_cancel_backend, it works through a connection pooler, which gives each
 * client its own process ID and key and maps them to the server connection.
 */
import { once } from 'node:events';
import pg from 'pg';

/** Fields of pg's client that its types lack. */
interface Cancellable {
  host: string;
  port: number;
  ssl: pg.ConnectionConfig['ssl'];
  /** `direct`: TLS starts without an SSLRequest. */
  sslNegotiation?: string;
  processID: number;
  secretKey: number;
}

interface RawConnection extends pg.Connection {
  connect(port: number | string, host?: string): void;
  requestSsl(): void;
  cancel(processId: number, secretKey: number): void;
}

/** Resolves when the server has closed the connection, which means that the request has been processed. */
export async function cancelRequest(client: pg.ClientBase, timeoutMs: number): Promise<void> {
  const { host, port, ssl, sslNegotiation, processID, secretKey } = client as pg.ClientBase & Cancellable;
  const connection = new pg.Connection({ ssl, sslNegotiation } as never) as RawConnection;
  if (ssl && sslNegotiation !== 'direct') connection.once('connect', () => connection.requestSsl());
  connection.once(ssl ? 'sslconnect' : 'connect', () => connection.cancel(processID, secretKey));
  const timer = setTimeout(() => connection.stream.destroy(new Error('no response')), timeoutMs);
  try {
    const ended = once(connection, 'end'); // rejects on an error
    if (host.startsWith('/')) connection.connect(`${host}/.s.PGSQL.${port}`);
    else connection.connect(port, host);
    await ended;
  } finally {
    clearTimeout(timer);
    connection.on('error', () => undefined); // late errors
    connection.stream.destroy();
  }
}
