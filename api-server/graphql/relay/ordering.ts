/** `orderBy` arguments: the field to sort by, and the direction. */
import { type ClassType, Field, InputType, registerEnumType } from 'type-graphql';
import type { Keyset } from './keyset.js';
import type { Orders } from './node-type.js';

export const OrderDirection = { ASC: 'ASC', DESC: 'DESC' } as const;
export type OrderDirection = (typeof OrderDirection)[keyof typeof OrderDirection];
registerEnumType(OrderDirection, {
  name: 'OrderDirection',
  description: 'Direction of a sort order.',
  valuesConfig: {
    ASC: { description: 'Ascending: the smallest or oldest value first.' },
    DESC: { description: 'Descending: the largest or newest value first.' },
  },
});

export interface OrderInput {
  field: string;
  direction: OrderDirection;
}

/** The GraphQL types `<Name>Order` and `<Name>OrderField`. */
export function orderOf<T>(name: string, orders: Orders<T>): ClassType<OrderInput> {
  const fields = Object.fromEntries(Object.keys(orders).map((field) => [field, field]));
  registerEnumType(fields, {
    name: `${name}OrderField`,
    description: `Fields by which ${name}Connection can be sorted.`,
    valuesConfig: Object.fromEntries(
      Object.entries(orders).map(([field, { parts }]) => [
        field,
        { description: `Sorts by \`${parts[0]?.property}\`.` },
      ]),
    ),
  });

  @InputType(`${name}Order`, { description: `Sort order of ${name}Connection.` })
  class Order implements OrderInput {
    @Field(() => fields as object, { description: 'Field to sort by.' })
    field!: string;

    @Field(() => OrderDirection, { description: 'Direction of the sort order.' })
    direction!: OrderDirection;
  }
  return Order;
}

/** The keyset of the requested order. Cursors of the default order contain no name. */
export function keysetFor<T>(
  orders: Orders<T>,
  defaultOrder: Keyset<T>,
  order: OrderInput | null | undefined,
): Keyset<T> {
  if (!order) return defaultOrder;
  const { field, direction } = order;
  const chosen = orders[field];
  if (!chosen) throw new Error(`unknown order field ${field}`);
  const isDefault = chosen.parts === defaultOrder.parts;
  return { parts: chosen.parts, direction, ...(!isDefault && { name: field }) };
}
