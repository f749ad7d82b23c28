/** Builds list queries from the arguments and the selection of a connection. */
import type { GraphQLResolveInfo } from 'graphql';
import type { Condition } from '../../database/conditions.js';
import type { DataSource } from '../../database/pool/data-source.js';
import { type Page, toPage } from './connection.js';
import { countRows, type ListQuery, readPage } from './list-query.js';
import type { Node } from './node.js';
import type { NodeType } from './node-type.js';
import { keysetFor, type OrderInput } from './ordering.js';
import { type PageArgs, pageRequest } from './paging.js';
import { selectedFields } from './selection.js';

/** `where` contains the filters of the list. */
export function listQuery<T extends Node>(
  type: NodeType<T>,
  args: PageArgs & { orderBy?: OrderInput | null },
  where: readonly Condition<T>[],
  info: GraphQLResolveInfo,
): ListQuery<T> {
  const keyset = keysetFor(type.orders, type.defaultOrder, args.orderBy);
  const sortedBy = keyset.parts.map(({ property }) => property);
  const columns = type.columnsFor(selectedFields(info, 'edges', 'node'), sortedBy);
  return { request: pageRequest(args), keyset, where, columns };
}

/** A page of a list without a parent object. */
export async function rootPage<T extends Node>(
  dataSource: DataSource,
  type: NodeType<T>,
  query: ListQuery<T>,
): Promise<Page<T>> {
  const rows = await readPage(dataSource, type, query);
  return toPage(query.keyset, query.request, rows, () => countRows(dataSource, type, query.where));
}
