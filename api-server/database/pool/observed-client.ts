/** A pg client that reports its statements, and prepares frequent ones. */
import { createHash } from 'node:crypto';
import pg from 'pg';
import { sqlState } from './connection-errors.js';
import { PreparedQuery } from './prepared-query.js';
import { type StatementEvent, statementSpan } from './statement-observer.js';

export interface ClientParts {
  server: string;
  prepared: boolean;
  observe(event: StatementEvent): void;
}

/** Prepared statements live as long as the connection. Further statements are not prepared. */
const MAX_PREPARED = 500;
/**
 * SQLSTATEs after which a statement runs unprepared: a migration changed its columns (0A000), or a pooler gave its name
 * to another server connection, which lacks it (26000) or has it already (42P05).
 */
const NOT_PREPARABLE = new Set(['0A000', '26000', '42P05']);

/** `pg.Client` for a server's pool. */
export function observedClient({ server, prepared, observe }: ClientParts): typeof pg.Client {
  const names = new Map<string, string>();
  const nameOf = (text: string): string | undefined => {
    if (names.has(text) || names.size >= MAX_PREPARED) return names.get(text);
    // A digest: behind a pooler, other processes have statements on the same server connection. A number would name
    // another statement there.
    names.set(text, `pcf_${createHash('sha256').update(text).digest('hex').slice(0, 32)}`);
    return names.get(text);
  };
  return class ObservedClient extends pg.Client {
    constructor(config?: string | pg.ClientConfig) {
      super(config);
      // Without a listener, an error event of a lost connection would terminate the process. The query
      // fails anyway.
      this.on('error', () => undefined);
    }

    /** Statements with values, as promises; anything else is as it was. */
    // biome-ignore lint/suspicious/noExplicitAny: pg's own overloads
    override query(text: any, values?: any, callback?: any): any {
      if (typeof text !== 'string' || callback || typeof values === 'function') {
        return super.query(text, values, callback);
      }
      const startedAt = performance.now();
      const told = (rows: number | null, error?: unknown) =>
        observe({ server, text, ms: performance.now() - startedAt, rows, error });
      return statementSpan(server, text, () => this.#run(text, values as unknown[] | undefined)).then(
        (result) => {
          told(result.rowCount);
          return result;
        },
        (error: Error) => {
          Error.captureStackTrace(error); // the caller, instead of the socket that has received the error
          told(null, error);
          throw error;
        },
      );
    }

    #run(text: string, values: unknown[] | undefined): Promise<pg.QueryResult> {
      const name = prepared && values?.length ? nameOf(text) : undefined;
      if (!name) return super.query(text, values);
      return new Promise((resolve, reject) => {
        const query = new PreparedQuery({ name, text, values }, (error, result) => {
          if (!error) return resolve(result);
          if (!NOT_PREPARABLE.has(sqlState(error) ?? '')) return reject(error);
          names.set(text, ''); // unprepared from now on
          super.query(text, values).then(resolve, reject);
        });
        super.query(query);
      });
    }
  };
}
