/** What must not change of a migration that was applied. */
import { createHash } from 'node:crypto';
import type { DryRun } from './dry-run.js';

/**
 * Of the SQL, not of the class's text: another compiler writes another text, and the database
 * does the same. Where SQL is put together while the migration runs, the text has to do.
 * The prefix tells how it was made, so that another way can come one day.
 */
export function checksumOf(
  { statements, dynamic }: DryRun,
  declared: unknown,
  source: { toString(): string },
): string {
  const parts = [JSON.stringify(declared), ...statements.map(withoutLayout)];
  if (dynamic) parts.push(withoutComments(source.toString()));
  return `${PREFIX}${createHash('sha256').update(parts.join('\0')).digest('hex').slice(0, 32)}`;
}

const PREFIX = 's1:';

/** Checksums of an earlier kind say nothing about today's. */
export function isComparable(checksum: string | null | undefined): boolean {
  return checksum?.startsWith(PREFIX) ?? false;
}

function withoutLayout(sql: string): string {
  return sql
    .replace(/--[^\n]*/g, '')
    .replace(/\s+/g, ' ')
    .trim();
}

function withoutComments(text: string): string {
  return text.replace(/^\s*(\/\/|\*|\/\*).*$/gm, '').replace(/\s+/g, ' ');
}
