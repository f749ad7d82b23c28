/** A schema with the cases that executors often handle incorrectly. */
import {
  buildSchema,
  GraphQLObjectType,
  GraphQLScalarType,
  type GraphQLSchema,
  isAbstractType,
} from 'graphql';

const TYPES = `
  enum Kind { BIG SMALL }
  scalar Time
  input In { name: String = "none", list: [Int] = [1], more: In }
  interface Named { word: String }
  union Any = Item | Other
  type Other implements Named { word: String extra: Int }
  type Item implements Named {
    id: ID! word: String number: Int nothing: String nullThatMustNot: String!
    fails: String mustNotFail: String! mustNotFailLater: String! badNumber: Int
    child: Item laterChild: Item must: Item! mustLater: Item! lostChild: Named some: Named any: Any
    called(times: Int = 1): String promised: String getter: String changes(list: [Int]): String
    items: [Item] mustItems: [Item!]! laterItems: [Item!]
  }
  type Query {
    id: ID! word: String number: Int yes: Boolean kind: Kind at: Time nothing: String
    fails: String laterFails: String badNumber: Int badKind: Kind badAt: Time hugeNumber: Int nan: Float
    item: Item laterItem: Item must: Item! items: [Item] mustItems: [Item!]! oddItems: [Item!]
    mixed: [Int] mixedMust: [Int!] noList: [Int] wrongType: Item
    some: Named any: Any later: Named lost: Named strange: Any
    echo(a: Int = 5, in: In): String needs(a: Int! = 1): Int
  }
  type Mutation { add(n: Int!): Int addLater(n: Int!): Int failLater: Int mustNotFail: Int! }
`;

const later = <T>(value: T): Promise<T> => new Promise((resolve) => setImmediate(resolve, value));
const boom = (): never => {
  throw new Error('boom');
};

class Thing {
  readonly word = 'word';
  readonly number = 3;
  readonly promised = Promise.resolve('promised');
  constructor(readonly depth = 0) {}
  get id(): string {
    return `id-${this.depth}`;
  }
  get getter(): string {
    return 'got';
  }
  called({ times }: { times: number }, { from }: { from: string }): string {
    return `${from} ${times}`;
  }
}

class OtherThing {
  readonly word = 'other';
  readonly extra = 1;
}

type Resolvers = Record<string, (source: never, args: never, context: never) => unknown>;

const ITEM: Resolvers = {
  fails: boom,
  mustNotFail: boom,
  mustNotFailLater: () => later(0).then(boom),
  badNumber: () => 'x',
  child: ({ depth }: Thing) => new Thing(depth + 1),
  laterChild: ({ depth }: Thing) => later(new Thing(depth + 1)),
  must: ({ depth }: Thing) => new Thing(depth + 1),
  mustLater: ({ depth }: Thing) => later(new Thing(depth + 1)),
  lostChild: () => ({ __typename: 'Nobody' }),
  some: () => new OtherThing(),
  any: () => later(new Thing(9)),
  items: () => [new Thing(1), null, new Thing(2)],
  mustItems: () => [new Thing(1), later(new Thing(2))],
  laterItems: () => later([new Thing(1), new Error('not this one')]),
  changes: (_source: never, { list }: { list: number[] }) => {
    (list as unknown[]).push(1);
    return 'changed';
  },
};

const QUERY: Resolvers = {
  id: () => 7,
  word: () => 'word',
  number: () => later(1),
  yes: () => true,
  kind: () => 'BIG',
  at: () => new Date(0),
  nothing: () => undefined,
  fails: boom,
  laterFails: () => later(0).then(boom),
  badNumber: () => 'x',
  badKind: () => 'MIDDLE',
  badAt: () => null as never,
  hugeNumber: () => 2 ** 31,
  nan: () => Number.NaN,
  item: () => new Thing(),
  laterItem: () => later(new Thing()),
  must: () => new Thing(),
  items: () => [new Thing(), later(new Thing(1)), null, new Error('in a list')],
  mustItems: () => later([new Thing(), later(new Thing(1))]),
  oddItems: () => [new Thing(), later(null)],
  mixed: () => [1, null, later(2), new Error('in a list'), Promise.reject(new Error('later')), 'x'],
  mixedMust: () => [1, later(null)],
  noList: () => 5,
  wrongType: () => new OtherThing(),
  some: () => new Thing(),
  any: () => new OtherThing(),
  later: () => later(new Thing()),
  lost: () => ({ __typename: 'Nobody' }),
  strange: () => ({ strange: true }),
  echo: (_source: never, args: never) => JSON.stringify(args),
  needs: (_source: never, { a }: { a: number }) => a,
};

/** The results show the order in which the fields ran. */
const MUTATION: Resolvers = {
  add: (_source: never, { n }: { n: number }, { log }: { log: number[] }) => log.push(n),
  addLater: (_source: never, { n }: { n: number }, { log }: { log: number[] }) =>
    later(0).then(() => log.push(n)),
  failLater: () => later(0).then(boom),
  mustNotFail: boom,
};

export function trapSchema(): GraphQLSchema {
  const schema = buildSchema(TYPES);
  const resolvers: Record<string, Resolvers> = { Item: ITEM, Query: QUERY, Mutation: MUTATION };
  for (const type of Object.values(schema.getTypeMap())) {
    if (type instanceof GraphQLScalarType && type.name === 'Time') {
      type.serialize = (value) => (value as Date).toISOString();
    }
    if (isAbstractType(type) && type.name === 'Any') {
      type.resolveType = async (value: object) =>
        value instanceof Thing ? 'Item' : value instanceof OtherThing ? 'Other' : 'Kind';
    } else if (isAbstractType(type)) {
      type.resolveType = (value: object) =>
        value instanceof Thing ? 'Item' : value instanceof OtherThing ? 'Other' : undefined;
    }
    if (!(type instanceof GraphQLObjectType) || type.name.startsWith('__')) continue;
    if (type.name === 'Item') type.isTypeOf = (value) => value instanceof Thing;
    if (type.name === 'Other') type.isTypeOf = async (value) => value instanceof OtherThing;
    for (const field of Object.values(type.getFields())) {
      const resolve = resolvers[type.name]?.[field.name];
      if (resolve) field.resolve = resolve as never;
    }
  }
  return schema;
}
