/**
 * A query of pg with less work per execution of a prepared statement: its messages are one write, and the
 * columns of the result are requested only in the first execution on a connection. They cannot change:
 * PostgreSQL rejects an execution with other columns (SQLSTATE 0A000). A pooler that prepares the statement
 * again on another server connection hides this error, so a SELECT list names its columns, and a row with
 * another number of columns is an error.
 *
 * It overrides private methods of pg, so package.json accepts only patches of its version.
 */
import pg from 'pg';

/** What pg's Result derives from the description of the columns. */
interface Columns {
  fields: readonly unknown[];
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
  /** Reported when the server is ready for the next query. */
  _canceledDueToError: Error | false;
  prepare(connection: Connection): void;
  handleRowDescription(message: object): void;
  handleDataRow(message: { readonly fields: readonly unknown[] }): void;
}

const PgQuery = pg.Query as unknown as typeof Query;

export class PreparedQuery extends PgQuery {
  #columns: Map<string, Columns> | undefined;

  /** Called by pg to send the query. */
  override prepare(connection: Connection): void {
    const messages = messagesOf(connection);
    const columns = messages.columns.get(this.name);
    if (columns) {
      Object.assign(this._result, columns);
      this._accumulateRows = true;
    } else {
      this.#columns = messages.columns;
    }
    messages.isDescribed = columns !== undefined;
    super.prepare(messages as never);
    messages.send();
  }

  override handleRowDescription(message: object): void {
    super.handleRowDescription(message);
    const { fields, _parsers, _prebuiltEmptyResultObject } = this._result;
    this.#columns?.set(this.name, { fields, _parsers, _prebuiltEmptyResultObject });
  }

  override handleDataRow(message: { readonly fields: readonly unknown[] }): void {
    const isExpected = message.fields.length === this._result.fields.length;
    // Without a SQLSTATE, so that the connection is closed and the statement is described again on another one.
    if (!isExpected) this._canceledDueToError ||= new Error(`the columns of ${this.name} have changed`);
    super.handleDataRow(message);
  }
}

/** Collects the messages of one query. It has the connection as its prototype. */
interface Messages {
  /** Columns of the prepared statements, by name. */
  readonly columns: Map<string, Columns>;
  isDescribed: boolean;
  send(): void;
}

const messagesByConnection = new WeakMap<Connection, Messages>();

function messagesOf(connection: Connection): Messages {
  const messages = messagesByConnection.get(connection) ?? newMessages(connection);
  messagesByConnection.set(connection, messages);
  return messages;
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
