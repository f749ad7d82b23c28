/**
 * Preload script for `node --import`. Kills the process directly after it has sent the COMMIT of a transaction that
 * contains a text. No handler runs, as with SIGKILL by the kernel.
 */
import pg from 'pg';

type Query = (this: unknown, ...args: unknown[]) => unknown;

const text = process.env.KILL_AT_COMMIT_OF ?? '';
const prototype = pg.Client.prototype as unknown as { query: Query };
const query = prototype.query;
let found = false;

prototype.query = function (...args) {
  const [first] = args as [string | { text?: string }];
  const sql = typeof first === 'string' ? first : (first?.text ?? '');
  const result = query.apply(this, args);
  found ||= sql.includes(text);
  // The socket has written the statement by then, before any other event is handled.
  if (found && sql === 'COMMIT') setImmediate(() => process.kill(process.pid, 'SIGKILL'));
  return result;
};
