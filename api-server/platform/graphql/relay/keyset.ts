/**
 * Keyset pages: a cursor holds the sort key of a row, and the next page is what
 * sorts after it. Rows that come and go meanwhile neither repeat nor hide others,
 * and page 1,000 costs what page 1 does.
 */
import { z } from 'zod';
import { badUserInput } from '../errors.js';
import type { PageRequest } from './paging.js';

const SQL_TYPES = { text: 'text', timestamp: 'timestamptz', uuid: 'uuid' } as const;
const parsers = {
  text: z.string().max(1_000),
  timestamp: z.iso.datetime(),
  uuid: z.guid(),
} as const;

/** One column of a sort key; its values must never change and never be null. */
export interface KeyPart<T> {
  property: keyof T & string;
  type: keyof typeof SQL_TYPES;
}

/** The key must be unique over all rows: its last part is an id or a unique name. */
export interface Keyset<T> {
  parts: readonly KeyPart<T>[];
  direction: 'ASC' | 'DESC';
}

export interface KeysetSql {
  /** Conditions to join with AND. */
  where: string[];
  /** Values of the named parameters in `where`. */
  params: Record<string, string>;
  orderBy: string[];
  direction: 'ASC' | 'DESC';
}

/** SQL of a page; `column` says how to write a property. */
export function keysetSql<T>(
  keyset: Keyset<T>,
  { after, before, backward }: PageRequest,
  column: (property: string) => string,
): KeysetSql {
  const { parts, direction } = keyset;
  const columns = parts.map(({ property }) => column(property));
  const params: Record<string, string> = {};
  const where: string[] = [];
  const bound = (name: 'after' | 'before', cursor: string, operator: '<' | '>') => {
    const values = decodeCursor(keyset, cursor, name);
    const casts = parts.map(({ type }, index) => {
      params[`${name}${index}`] = values[index] ?? '';
      return `CAST(:${name}${index} AS ${SQL_TYPES[type]})`;
    });
    where.push(`(${columns.join(', ')}) ${operator} (${casts.join(', ')})`);
  };
  if (after !== undefined) bound('after', after, direction === 'ASC' ? '>' : '<');
  if (before !== undefined) bound('before', before, direction === 'ASC' ? '<' : '>');
  const opposite = direction === 'ASC' ? 'DESC' : 'ASC';
  return { where, params, orderBy: columns, direction: backward ? opposite : direction };
}

export function encodeCursor<T>({ parts }: Keyset<T>, row: T): string {
  const values = parts.map(({ property }) => {
    const value: unknown = row[property];
    return value instanceof Date ? value.toISOString() : String(value);
  });
  return Buffer.from(JSON.stringify(values)).toString('base64url');
}

function decodeCursor<T>({ parts }: Keyset<T>, cursor: string, field: string): string[] {
  const values = parseJson(Buffer.from(cursor, 'base64url').toString('utf8'));
  const fits =
    Array.isArray(values) &&
    values.length === parts.length &&
    parts.every(({ type }, index) => parsers[type].safeParse(values[index]).success);
  if (!fits) throw badUserInput({ field, message: 'is not a cursor of this list' });
  return values as string[];
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
