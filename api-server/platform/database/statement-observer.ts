import { inSpan, isTracing } from '../tracing/tracing.js';

/** One statement that has ended. */
export interface StatementEvent {
  /** primary or replica. */
  server: string;
  /** With placeholders: its values are the users' data and are told to nobody. */
  text: string;
  ms: number;
  rows: number | null;
  error?: unknown;
}

/** Runs a statement in a span of its own, when there is tracing. */
export function statementSpan<T>(server: string, text: string, run: () => Promise<T>): Promise<T> {
  if (!isTracing()) return run();
  const operation = /^\s*(\w+)/.exec(text)?.[1]?.toUpperCase() ?? 'SQL';
  const attributes = {
    'db.system.name': 'postgresql',
    'db.operation.name': operation,
    'db.query.text': text.slice(0, 2_000),
    'pcf.database.server': server,
  };
  return inSpan(`${operation} postgresql`, { kind: 'client', attributes }, run);
}
