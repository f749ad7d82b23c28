/** What must not change of a migration that was applied. */
import { createHash } from 'node:crypto';
import type { DryRun } from './dry-run.js';

/**
 * Of the SQL, not of the class's text: another compiler writes another text, and the database
 * does the same. Where SQL is put together while the migration runs, the text has to do.
 * The prefix tells how it was made, so that another way can come one day.
 */
export function checksumOf(
  { statements, parameters, dynamic }: DryRun,
  declared: unknown,
  source: { toString(): string },
): string {
  const parts = [JSON.stringify(declared), ...statements.map(withoutLayout)];
  if (parameters.some((values) => values.length > 0)) parts.push(JSON.stringify(parameters, asText));
  if (dynamic) parts.push(withoutComments(source.toString()));
  return `${PREFIX}${createHash('sha256').update(parts.join('\0')).digest('hex').slice(0, 32)}`;
}

const PREFIX = 's1:';

/** Checksums of an earlier kind say nothing about today's. */
export function isComparable(checksum: string | null | undefined): boolean {
  return checksum?.startsWith(PREFIX) ?? false;
}

/** Texts and names, comments, and bodies of functions, which have all of these in them. */
const TOKENS =
  /\b[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|\/\*[\s\S]*?\*\/|--[^\n]*|(\$\w*\$)([\s\S]*?)\1/g;

function withoutLayout(sql: string): string {
  return withoutLineComments(sql).replace(/\s+/g, ' ').trim();
}

/** `--` in a text is no comment. Checksums of SQL that has no such text are what they always were. */
function withoutLineComments(sql: string): string {
  return sql.replace(TOKENS, (token: string, tag?: string, body?: string) => {
    if (tag !== undefined) return `${tag}${withoutLineComments(body ?? '')}${tag}`;
    if (token.startsWith('--')) return '';
    return token.startsWith('/*') ? token.replace(/--[^\n]*/g, '') : token;
  });
}

/** Values that JSON has no word for, as the driver would send them. */
function asText(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}

function withoutComments(text: string): string {
  return text.replace(/^\s*(\/\/|\*|\/\*).*$/gm, '').replace(/\s+/g, ' ');
}
