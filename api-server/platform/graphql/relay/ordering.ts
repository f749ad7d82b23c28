/** `orderBy` arguments: a field that a list can be sorted by, and which way. */
import { type ClassType, Field, InputType, registerEnumType } from 'type-graphql';
import type { Keyset } from './keyset.js';
import type { Orders } from './node-type.js';

export const OrderDirection = { ASC: 'ASC', DESC: 'DESC' } as const;
export type OrderDirection = (typeof OrderDirection)[keyof typeof OrderDirection];
registerEnumType(OrderDirection, { name: 'OrderDirection' });

export interface OrderInput {
  field: string;
  direction: OrderDirection;
}

/** The GraphQL types `<Name>Order` and `<Name>OrderField`. */
export function orderOf<T>(name: string, orders: Orders<T>): ClassType<OrderInput> {
  const fields = Object.fromEntries(Object.keys(orders).map((field) => [field, field]));
  registerEnumType(fields, { name: `${name}OrderField` });

  @InputType(`${name}Order`)
  class Order implements OrderInput {
    @Field(() => fields as object)
    field!: string;

    @Field(() => OrderDirection)
    direction!: OrderDirection;
  }
  return Order;
}

/** The sort key that a client asked for. Only the default's cursors bear no name. */
export function keysetFor<T>(
  orders: Orders<T>,
  defaultOrder: Keyset<T>,
  order: OrderInput | null | undefined,
): Keyset<T> {
  if (!order) return defaultOrder;
  const { field, direction } = order;
  const chosen = orders[field];
  if (!chosen) throw new Error(`there is no order ${field}`);
  const isDefault = chosen.parts === defaultOrder.parts;
  return { parts: chosen.parts, direction, ...(!isDefault && { name: field }) };
}
