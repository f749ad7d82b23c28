import { inSpan, isRecording } from '../../../contract/tracing/tracing.js';

/** A finished statement. */
export interface StatementEvent {
  /** `primary` or `replica`. */
  server: string;
  /** With placeholders. Parameters are user data and are not recorded. */
  text: string;
  ms: number;
  rows: number | null;
  error?: unknown;
}

/** Runs a statement in its own span when tracing is enabled. */
export function statementSpan<T>(server: string, text: string, run: () => Promise<T>): Promise<T> {
  if (!isRecording()) return run();
  const operation = /^\s*(\w+)/.exec(text)?.[1]?.toUpperCase() ?? 'SQL';
  const attributes = {
    'db.system.name': 'postgresql',
    'db.operation.name': operation,
    'db.query.text': text.slice(0, 2_000),
    'pcf.database.server': server,
  };
  return inSpan(`${operation} postgresql`, { kind: 'client', attributes }, run);
}
