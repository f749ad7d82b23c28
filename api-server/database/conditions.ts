/** Filters as plain data, so that equal list requests can be detected and share a statement. */
import type { EntityTable, PropertyOf } from './entity-table.js';

export type Condition<T> =
  | { property: PropertyOf<T>; is: '=' | '<' | '>='; value: string | number | boolean | Date }
  | { property: PropertyOf<T>; is: 'in'; value: readonly string[] }
  | { property: PropertyOf<T>; is: 'null' | 'not null' };

/** Parameters of a statement, in the order of their placeholders. */
export class Bindings {
  readonly values: unknown[] = [];

  /** Adds a parameter and returns its placeholder. */
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

/** `property = value`; no condition without a value. */
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

/** Half-open range: `from` is inclusive, `to` is exclusive. */
export function between<T>(
  property: PropertyOf<T>,
  { from, to }: { from?: Date | null; to?: Date | null },
): Condition<T>[] {
  return [
    ...(from ? [{ property, is: '>=' as const, value: from }] : []),
    ...(to ? [{ property, is: '<' as const, value: to }] : []),
  ];
}

/** Condition on whether a nullable property has a value; no condition for null. */
export function present<T>(property: PropertyOf<T>, value: boolean | null | undefined): Condition<T>[] {
  return value == null ? [] : [{ property, is: value ? 'not null' : 'null' }];
}
