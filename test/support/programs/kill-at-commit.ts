/**
 * Preload script for `node --import`. Kills the process directly after it has sent its n-th statement,
 * or the COMMIT of a transaction that contains a text. No handler runs, as with SIGKILL by the kernel.
 */
import pg from 'pg';

type Query = (this: unknown, ...args: unknown[]) => unknown;

const at = Number(process.env.KILL_AT_STATEMENT ?? 0);
const text = process.env.KILL_AT_COMMIT_OF;
/** A periodic statement of another connection, which is not counted. */
const WATCH = 'pg_blocking_pids';
const prototype = pg.Client.prototype as unknown as { query: Query };
const query = prototype.query;
let sent = 0;
let found = false;

prototype.query = function (...args) {
  const [first] = args as [string | { text?: string }];
  const sql = typeof first === 'string' ? first : (first?.text ?? '');
  const result = query.apply(this, args);
  if (sql.includes(WATCH)) return result;
  sent += 1;
  found ||= Boolean(text && sql.includes(text));
  // The socket has written the statement by then, before any other event is handled.
  if (sent === at || (found && sql === 'COMMIT')) setImmediate(() => process.kill(process.pid, 'SIGKILL'));
  return result;
};
