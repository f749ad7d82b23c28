/**
 * Keyset pagination: a cursor contains the sort key of a row, and the next page starts after it.
 * Concurrent inserts and deletes neither repeat nor skip rows, and page 1,000 costs as much as page
 * 1.
 */
import { z } from 'zod';
import type { Bindings } from '../../database/conditions.js';
import { badUserInput } from '../../errors.js';
import type { PageRequest } from './paging.js';

const SQL_TYPES = { text: 'text', timestamp: 'timestamptz', uuid: 'uuid', integer: 'integer' } as const;
const parsers = {
  // PostgreSQL's text cannot contain NUL.
  text: z
    .string()
    .max(1_000)
    .refine((text) => !text.includes('\0')),
  // Only years that PostgreSQL and JavaScript both write with four digits.
  timestamp: z.iso.datetime().regex(/^(?!0000)/),
  uuid: z.guid(),
  integer: z.string().regex(/^-?\d{1,9}$/),
} as const;

const MAX_CURSOR = 8_000;

/** One column of a sort key. Its values must be immutable and not null. */
export interface KeyPart<T> {
  property: keyof T & string;
  type: keyof typeof SQL_TYPES;
}

/** The key must be unique: its last part is an ID or a unique name. */
export interface Keyset<T> {
  /** Part of the cursor, so that cursors of another order are rejected. The default order has no name. */
  name?: string;
  parts: readonly KeyPart<T>[];
  direction: 'ASC' | 'DESC';
}

export interface KeysetSql {
  /** Conditions, combined with AND. */
  where: string[];
  /** Expression for ORDER BY. */
  orderBy: string;
}

/** SQL of a page. `column` returns the SQL of a property. */
export function keysetSql<T>(
  keyset: Keyset<T>,
  { after, before, backward }: PageRequest,
  column: (property: keyof T & string) => string,
  bind: Bindings['bind'],
): KeysetSql {
  const { parts, direction } = keyset;
  const columns = parts.map(({ property }) => column(property));
  const bound = (field: 'after' | 'before', cursor: string, operator: '<' | '>') => {
    const values = decodeCursor(keyset, cursor, field);
    const casts = parts.map(({ type }, index) => `CAST(${bind(values[index])} AS ${SQL_TYPES[type]})`);
    return `(${columns.join(', ')}) ${operator} (${casts.join(', ')})`;
  };
  const where = [
    ...(after === undefined ? [] : [bound('after', after, direction === 'ASC' ? '>' : '<')]),
    ...(before === undefined ? [] : [bound('before', before, direction === 'ASC' ? '<' : '>')]),
  ];
  const opposite = direction === 'ASC' ? 'DESC' : 'ASC';
  const way = backward ? opposite : direction;
  return { where, orderBy: columns.map((one) => `${one} ${way}`).join(', ') };
}

export function encodeCursor<T>({ name, parts }: Keyset<T>, row: T): string {
  const values = parts.map(({ property }) => {
    const value: unknown = row[property];
    return value instanceof Date ? value.toISOString() : String(value);
  });
  return Buffer.from(JSON.stringify(name ? [name, ...values] : values)).toString('base64url');
}

function decodeCursor<T>({ name, parts }: Keyset<T>, cursor: string, field: string): string[] {
  const parsed = cursor.length > MAX_CURSOR ? undefined : parseJson(Buffer.from(cursor, 'base64url'));
  if (!Array.isArray(parsed)) throw badUserInput({ field, message: 'is not a cursor of this list' });
  const values: unknown[] = name ? parsed.slice(1) : parsed;
  const fits =
    (!name || parsed[0] === name) &&
    values.length === parts.length &&
    parts.every(({ type }, index) => parsers[type].safeParse(values[index]).success);
  if (!fits) throw badUserInput({ field, message: 'is not a cursor of this list in this order' });
  return values as string[];
}

function parseJson(text: Buffer): unknown {
  try {
    return JSON.parse(text.toString('utf8'));
  } catch {
    return undefined;
  }
}
