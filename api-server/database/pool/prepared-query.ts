/**
 * A query of pg with less work per execution of a prepared statement: its messages are one write, and the
 * columns of the result are requested only in the first execution on a connection. They cannot change:
 * PostgreSQL rejects an execution with other columns (SQLSTATE 0A000).
 */
import pg from 'pg';

/** What pg's Result derives from the description of the columns. */
interface Columns {
  fields: unknown;
  _parsers: unknown;
  _prebuiltEmptyResultObject: unknown;
}

/** The parts of pg's Connection and Query that its types do not declare. */
interface Connection {
  describe(message: object): void;
  _send(message: Buffer): void;
}

declare class Query extends pg.Query {
  constructor(config: pg.QueryConfig, callback: (error: Error | undefined, result: pg.QueryResult) => void);
  readonly name: string;
  readonly _result: Columns;
  _accumulateRows: boolean;
  prepare(connection: Connection): void;
  handleRowDescription(message: object): void;
}

const PgQuery = pg.Query as unknown as typeof Query;

export class PreparedQuery extends PgQuery {
  #columns: Map<string, Columns> | undefined;

  /** Called by pg to send the query. */
  override prepare(connection: Connection): void {
    const messages = messagesOf(connection);
    const known = messages.columns.get(this.name);
    if (known) {
      Object.assign(this._result, known);
      this._accumulateRows = true;
    } else {
      this.#columns = messages.columns;
    }
    messages.isDescribed = known !== undefined;
    super.prepare(messages as never);
    messages.send();
  }

  override handleRowDescription(message: object): void {
    super.handleRowDescription(message);
    const { fields, _parsers, _prebuiltEmptyResultObject } = this._result;
    this.#columns?.set(this.name, { fields, _parsers, _prebuiltEmptyResultObject });
  }
}

/** Collects the messages of one query. It has the connection as its prototype. */
interface Messages {
  /** Columns of the prepared statements, by name. */
  readonly columns: Map<string, Columns>;
  isDescribed: boolean;
  send(): void;
}

const known = new WeakMap<Connection, Messages>();

function messagesOf(connection: Connection): Messages {
  const found = known.get(connection) ?? newMessages(connection);
  known.set(connection, found);
  return found;
}

function newMessages(connection: Connection): Messages {
  const parts: Buffer[] = [];
  const messages: Messages & Connection = {
    columns: new Map(),
    isDescribed: false,
    describe: (message) => {
      if (!messages.isDescribed) connection.describe.call(messages, message);
    },
    _send: (message) => void parts.push(message),
    send: () => connection._send(Buffer.concat(parts.splice(0))),
  };
  return Object.setPrototypeOf(messages, connection);
}
