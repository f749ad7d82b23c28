import { type ClassType, Field, Int, ObjectType } from 'type-graphql';
import { encodeCursor, type Keyset } from './keyset.js';
import type { PageRequest } from './paging.js';

@ObjectType()
export class PageInfo {
  @Field()
  hasNextPage!: boolean;

  @Field()
  hasPreviousPage!: boolean;

  @Field(() => String, { nullable: true })
  startCursor!: string | null;

  @Field(() => String, { nullable: true })
  endCursor!: string | null;
}

export interface Page<T> {
  edges: { cursor: string; node: T }[];
  pageInfo: PageInfo;
  /** A function, so that nobody counts who does not ask. */
  totalCount: () => Promise<number>;
}

/** The GraphQL types `<Node>Connection` and `<Node>Edge`. */
export function connectionOf<T extends object>(node: ClassType<T>, name: string) {
  @ObjectType(`${name}Edge`)
  class Edge {
    @Field()
    cursor!: string;

    @Field(() => node)
    node!: T;
  }

  @ObjectType(`${name}Connection`)
  class Connection implements Page<T> {
    @Field(() => [Edge])
    edges!: Edge[];

    @Field(() => PageInfo)
    pageInfo!: PageInfo;

    // Simple: resolved by graphql itself, which calls functions.
    @Field(() => Int, { simple: true, description: 'How many there are in all pages together.' })
    totalCount!: () => Promise<number>;
  }
  return Connection;
}

/** Makes a page of the rows read for it: up to one more than its limit, in the order they were read. */
export function toPage<T>(
  keyset: Keyset<T>,
  { limit, backward, after, before }: PageRequest,
  rows: T[],
  totalCount: () => Promise<number>,
): Page<T> {
  const more = rows.length > limit;
  const kept = rows.slice(0, limit);
  const edges = (backward ? kept.reverse() : kept).map((node) => ({
    cursor: encodeCursor(keyset, node),
    node,
  }));
  const pageInfo = {
    hasNextPage: backward ? before !== undefined : more,
    hasPreviousPage: backward ? more : after !== undefined,
    startCursor: edges[0]?.cursor ?? null,
    endCursor: edges.at(-1)?.cursor ?? null,
  };
  return { edges, pageInfo, totalCount };
}
