/** Filters as plain data, so that two lists that ask for the same can be told to be the same. */
import type { EntityTable, PropertyOf } from './entity-table.js';

export type Condition<T> =
  | { property: PropertyOf<T>; is: '=' | '<' | '>='; value: string | number | boolean | Date }
  | { property: PropertyOf<T>; is: 'in'; value: readonly string[] }
  | { property: PropertyOf<T>; is: 'null' | 'not null' };

/** The values of a statement, in the order of its placeholders. */
export class Bindings {
  readonly values: unknown[] = [];

  /** The placeholder of a value. */
  readonly bind = (value: unknown): string => `$${this.values.push(value)}`;
}

export function conditionSql<T extends object>(
  table: EntityTable<T>,
  alias: string,
  condition: Condition<T>,
  bind: Bindings['bind'],
): string {
  const column = table.column(condition.property, alias);
  switch (condition.is) {
    case 'null':
      return `${column} IS NULL`;
    case 'not null':
      return `${column} IS NOT NULL`;
    case 'in':
      return `${column} = ANY (CAST(${bind(condition.value)} AS ${table.sqlType(condition.property)}[]))`;
    default:
      return `${column} ${condition.is} ${bind(condition.value)}`;
  }
}

/** `property = value`, or nothing when no value is given. */
export function equals<T>(
  property: PropertyOf<T>,
  value: string | number | boolean | null | undefined,
): Condition<T>[] {
  return value == null ? [] : [{ property, is: '=', value }];
}

export function oneOf<T>(
  property: PropertyOf<T>,
  value: readonly string[] | null | undefined,
): Condition<T>[] {
  return value == null ? [] : [{ property, is: 'in', value }];
}

/** From `from`, up to but not at `to`. */
export function between<T>(
  property: PropertyOf<T>,
  { from, to }: { from?: Date | null; to?: Date | null },
): Condition<T>[] {
  return [
    ...(from ? [{ property, is: '>=' as const, value: from }] : []),
    ...(to ? [{ property, is: '<' as const, value: to }] : []),
  ];
}

/** Whether a nullable property has a value: true, false, or it does not matter. */
export function present<T>(property: PropertyOf<T>, value: boolean | null | undefined): Condition<T>[] {
  return value == null ? [] : [{ property, is: value ? 'not null' : 'null' }];
}
