import { type ClassType, Field, Int, ObjectType } from 'type-graphql';
import { encodeCursor, type Keyset } from './keyset.js';
import type { PageRequest } from './paging.js';

// Simple: graphql reads the properties itself. Who may see a list is decided where the list is asked for.
const CONTAINER = { simpleResolvers: true } as const;

@ObjectType(CONTAINER)
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
  /** Counts when it is called, so that nobody counts who does not ask. */
  count: () => Promise<number>;
}

/** The GraphQL types `<Node>Connection` and `<Node>Edge`. */
export function connectionOf<T extends object>(node: ClassType<T>, name: string) {
  return connectionTypes<T>(() => node, name);
}

/** As `connectionOf`, for a type that is no class, such as a union. */
export function connectionTypes<T extends object>(node: () => ClassType<T> | object, name: string) {
  @ObjectType(`${name}Edge`, CONTAINER)
  class Edge {
    @Field()
    cursor!: string;

    @Field(node as never)
    node!: T;
  }

  @ObjectType(`${name}Connection`, CONTAINER)
  class Connection implements Page<T> {
    @Field(() => [Edge])
    edges!: Edge[];

    @Field(() => PageInfo)
    pageInfo!: PageInfo;

    count!: () => Promise<number>;

    @Field(() => Int, { description: 'How many there are in all pages together.', complexity: 10 })
    totalCount(): Promise<number> {
      return this.count();
    }
  }
  return Connection;
}

/** Makes a page of the rows read for it: up to one more than its limit, in the order they were read. */
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

/** Its cursor is made when somebody asks for it. */
class KeysetEdge<T> {
  constructor(
    private readonly keyset: Keyset<T>,
    readonly node: T,
  ) {}

  get cursor(): string {
    return encodeCursor(this.keyset, this.node);
  }
}
