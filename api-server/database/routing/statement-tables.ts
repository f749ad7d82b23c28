/**
 * Tables that a statement reads and writes. Additional names, for example of CTEs or aliases, are
 * harmless.
 */
export interface StatementTables {
  reads: readonly string[];
  writes: readonly string[];
}

const READS = /\b(?:FROM|JOIN)\s+"?(\w+)"?/gi;
const WRITES = /\b(?:INSERT\s+INTO|UPDATE|DELETE\s+FROM|MERGE\s+INTO|TRUNCATE)\s+(?:ONLY\s+)?"?(\w+)"?/gi;

const MAX_KNOWN = 1_000;
const known = new Map<string, StatementTables>();

export function tablesIn(text: string): StatementTables {
  const before = known.get(text);
  if (before) return before;
  const tables = { reads: namesIn(text, READS), writes: namesIn(text, WRITES) };
  if (known.size >= MAX_KNOWN) known.clear();
  known.set(text, tables);
  return tables;
}

function namesIn(text: string, pattern: RegExp): string[] {
  const names = [...text.matchAll(pattern)].map(([, name = '']) => name.toLowerCase());
  return [...new Set(names)];
}
