/** Names of hidden objects. The prefix is reserved: no migration may use it. */

export const HIDDEN_PREFIX = 'pcf_hidden_';

/** Timestamp of a migration, which identifies it in the names of what it hides. */
function timestampOf(migration: string): string {
  return migration.slice(-13);
}

/** Schema of the tables, views, functions and types that a migration hides. */
export function hiddenSchema(migration: string): string {
  return `${HIDDEN_PREFIX}${timestampOf(migration)}`;
}

/** Name of the n-th hidden column, index or sync function of a migration. At most 63 bytes, PostgreSQL's limit. */
export function hiddenName(migration: string, n: number): string {
  return `${hiddenSchema(migration)}_${n}`;
}

export function quoteIdent(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A qualified name as SQL. */
export function quoteName(parts: readonly string[]): string {
  return parts.map(quoteIdent).join('.');
}
