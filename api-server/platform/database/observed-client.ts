/** A connection that tells what it does, and prepares what it does often. */
import pg from 'pg';
import { sqlState } from './connection-errors.js';
import { type StatementEvent, statementSpan } from './statement-observer.js';

export interface ClientParts {
  server: string;
  prepared: boolean;
  observe(event: StatementEvent): void;
}

/** A server keeps prepared statements as long as the connection; texts beyond these are not prepared. */
const MAX_PREPARED = 500;

/** `pg.Client` for one server's pool. */
export function observedClient({ server, prepared, observe }: ClientParts): typeof pg.Client {
  const names = new Map<string, string>();
  const nameOf = (text: string): string | undefined => {
    if (names.has(text) || names.size >= MAX_PREPARED) return names.get(text);
    names.set(text, `pcf_${names.size}`);
    return names.get(text);
  };
  return class ObservedClient extends pg.Client {
    constructor(config?: string | pg.ClientConfig) {
      super(config);
      // A connection may be lost while it is in use. Its query fails; the event itself must not end the process.
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
        (error: unknown) => {
          told(null, error);
          throw error;
        },
      );
    }

    #run(text: string, values: unknown[] | undefined): Promise<pg.QueryResult> {
      const name = prepared && values?.length ? nameOf(text) : undefined;
      if (!name) return super.query(text, values);
      return super.query({ name, text, values }).catch((error: unknown) => {
        if (sqlState(error) !== '0A000' && sqlState(error) !== '26000') throw error;
        // A migration changed what the statement returns, or a pooler has forgotten it: from now on by its text.
        names.set(text, '');
        return super.query(text, values);
      });
    }
  };
}
