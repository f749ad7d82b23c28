import { type ClassType, Field, Int, ObjectType } from 'type-graphql';
import { encodeCursor, type Keyset } from './keyset.js';
import type { PageRequest } from './paging.js';

// `simpleResolvers`: graphql-js reads the properties without middleware. The field that returns the connection checks access.
const CONTAINER = { simpleResolvers: true } as const;

@ObjectType({ ...CONTAINER, description: 'Information about pagination in a connection.' })
export class PageInfo {
  @Field({ description: 'Whether more items follow this page. With `last`, whether `before` was given.' })
  hasNextPage!: boolean;

  @Field({ description: 'Whether more items precede this page. With `first`, whether `after` was given.' })
  hasPreviousPage!: boolean;

  @Field(() => String, {
    nullable: true,
    description:
      'Cursor of the first item of this page. Pass it as `before` to read the previous page. Null when the page is empty.',
  })
  startCursor!: string | null;

  @Field(() => String, {
    nullable: true,
    description:
      'Cursor of the last item of this page. Pass it as `after` to read the next page. Null when the page is empty.',
  })
  endCursor!: string | null;
}

export interface Page<T> {
  edges: { cursor: string; node: T }[];
  pageInfo: PageInfo;
  /** Runs the count query. It is called only when `totalCount` is selected. */
  count: () => Promise<number>;
}

/** The GraphQL types `<Node>Connection` and `<Node>Edge`. */
export function connectionOf<T extends object>(node: ClassType<T>, name: string) {
  return connectionTypes<T>(() => node, name);
}

/** Like `connectionOf`, for a type that is not a class, such as a union. */
export function connectionTypes<T extends object>(node: () => ClassType<T> | object, name: string) {
  @ObjectType(`${name}Edge`, {
    ...CONTAINER,
    description: `Edge of ${name}Connection: an object and its cursor.`,
  })
  class Edge {
    @Field({ description: 'Cursor of the object, for the arguments `after` and `before`.' })
    cursor!: string;

    @Field(node as never, { description: `The ${name} object.` })
    node!: T;
  }

  @ObjectType(`${name}Connection`, {
    ...CONTAINER,
    description: `Connection of ${name} objects: one page of a list.`,
  })
  class Connection implements Page<T> {
    @Field(() => [Edge], { description: 'The edges of this page, in the order of the list.' })
    edges!: Edge[];

    @Field(() => PageInfo, { description: 'Information to request the next or the previous page.' })
    pageInfo!: PageInfo;

    count!: () => Promise<number>;

    @Field(() => Int, { description: 'Total number of objects over all pages.', complexity: 10 })
    totalCount(): Promise<number> {
      return this.count();
    }
  }
  return Connection;
}

/** Builds a page. `rows` has up to `limit + 1` rows, in the order in which they were read. */
export function toPage<T>(
  keyset: Keyset<T>,
  { limit, backward, after, before }: PageRequest,
  rows: T[],
  count: () => Promise<number>,
): Page<T> {
  const more = rows.length > limit;
  const kept = rows.slice(0, limit);
  const edges = (backward ? kept.reverse() : kept).map((node) => new KeysetEdge(keyset, node));
  const pageInfo = {
    hasNextPage: backward ? before !== undefined : more,
    hasPreviousPage: backward ? more : after !== undefined,
    get startCursor() {
      return edges[0]?.cursor ?? null;
    },
    get endCursor() {
      return edges.at(-1)?.cursor ?? null;
    },
  };
  return { edges, pageInfo, count };
}

/** Encodes the cursor lazily: many queries do not select it. */
class KeysetEdge<T> {
  constructor(
    private readonly keyset: Keyset<T>,
    readonly node: T,
  ) {}

  get cursor(): string {
    return encodeCursor(this.keyset, this.node);
  }
}
