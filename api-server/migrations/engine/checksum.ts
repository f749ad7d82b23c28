/** Checksums of migrations: an applied migration must not change. */
import { createHash } from 'node:crypto';
import type { DryRun } from './dry-run.js';

/**
 * Covers the SQL and not the JavaScript, which differs between compilers. If the SQL depends on query
 * results, it covers the JavaScript of the class as well. The prefix identifies the algorithm.
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

/** Checksums of an earlier algorithm can't be compared. */
export function isComparable(checksum: string | null | undefined): boolean {
  return checksum?.startsWith(PREFIX) ?? false;
}

/**
 * String literals, quoted identifiers, comments, and dollar-quoted strings, which can contain all of these.
 */
const TOKENS =
  /\b[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|\/\*[\s\S]*?\*\/|--[^\n]*|(\$\w*\$)([\s\S]*?)\1/g;

function withoutLayout(sql: string): string {
  return withoutLineComments(sql).replace(/\s+/g, ' ').trim();
}

/** `--` in a string literal is not a comment. The checksum of SQL without such literals never changes. */
function withoutLineComments(sql: string): string {
  return sql.replace(TOKENS, (token: string, tag?: string, body?: string) => {
    if (tag !== undefined) return `${tag}${withoutLineComments(body ?? '')}${tag}`;
    if (token.startsWith('--')) return '';
    return token.startsWith('/*') ? token.replace(/--[^\n]*/g, '') : token;
  });
}

/** Values that JSON does not support, as the driver would send them. */
function asText(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}

function withoutComments(text: string): string {
  return text.replace(/^\s*(\/\/|\*|\/\*).*$/gm, '').replace(/\s+/g, ' ');
}
