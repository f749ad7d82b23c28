/**
 * Intercepts the PostgreSQL driver. The code of a migration may send statements by any interface (TypeORM's
 * query runner, `connect()`, the client itself): all of them pass the gate. It cannot open another
 * connection, which would bypass the gate, the advisory lock and the transaction.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import pg from 'pg';

/** A method of the driver's prototypes. */
// biome-ignore lint/suspicious/noExplicitAny: the driver's own overloads
export type DriverMethod = (this: any, ...args: any[]) => any;

export interface DriverGate {
  /** A call of `client.query`. `send` is the driver's own method. */
  query(client: pg.Client, args: unknown[], send: DriverMethod): unknown;
  /** A statement that the client is about to write to its socket. Throws if the gate did not accept it. */
  write(sql: string): void;
  /** Called before another connection is opened or acquired from a pool. Throws. */
  connect(): never;
}

/** The gate of the running migration. It also covers statements that its code sends after the end of `up`. */
const migrationCode = new AsyncLocalStorage<DriverGate>();
/** Gates by client and by the connection of the client. They apply to all code that uses these. */
const gates = new WeakMap<object, DriverGate>();

/** Runs the code of a migration with a gate. Without a client the code must not use a database. */
export async function withDriverGate<T>(
  gate: DriverGate,
  client: pg.Client | undefined,
  work: () => Promise<T>,
): Promise<T> {
  const guarded = client ? [client, (client as unknown as { connection: object }).connection] : [];
  for (const one of guarded) gates.set(one, gate);
  try {
    return await migrationCode.run(gate, work);
  } finally {
    for (const one of guarded) gates.delete(one);
  }
}

function guard(
  { prototype }: { prototype: object },
  method: 'connect' | 'query' | 'parse',
  pass: (gate: DriverGate, target: object, args: unknown[], original: DriverMethod) => unknown,
): void {
  const methods = prototype as Record<string, DriverMethod>;
  const original = methods[method] as DriverMethod;
  methods[method] = function (...args) {
    const gate = gates.get(this) ?? migrationCode.getStore();
    return gate ? pass(gate, this, args, original) : original.apply(this, args);
  };
}

guard(pg.Client, 'query', (gate, client, args, send) => gate.query(client as pg.Client, args, send));
for (const opener of [pg.Client, pg.Pool]) guard(opener, 'connect', (gate) => gate.connect());
for (const message of ['query', 'parse'] as const) {
  guard(pg.Connection, message, (gate, connection, [statement], write) => {
    gate.write(typeof statement === 'string' ? statement : (statement as { text: string }).text);
    return write.call(connection, statement);
  });
}

/** For code of a migration outside of a run: while its module is loaded, and in a dry run. */
export const NO_DATABASE: DriverGate = {
  query: rejectDatabase,
  write: rejectDatabase,
  connect: rejectDatabase,
};

function rejectDatabase(): never {
  throw new Error('a migration uses a database before it is run');
}
