/**
 * Schemas with random types. Results of resolvers depend only on the seed, the source, the field and
 * its arguments. Some are errors, failing lists, wrong values, promises or thenables.
 */
import {
  GraphQLBoolean,
  GraphQLEnumType,
  GraphQLError,
  type GraphQLFieldConfig,
  GraphQLFloat,
  GraphQLID,
  GraphQLInputObjectType,
  type GraphQLInputType,
  GraphQLInt,
  GraphQLInterfaceType,
  GraphQLList,
  GraphQLNonNull,
  GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLResolveInfo,
  GraphQLScalarType,
  GraphQLSchema,
  GraphQLString,
  GraphQLUnionType,
  getNullableType,
  isEnumType,
  isListType,
  isScalarType,
} from 'graphql';
import { pathToArray } from 'graphql/jsutils/Path.js';
import { hashOf, Random } from './random.js';

export interface RandomSchemaOptions {
  /** Results are never promises. */
  isSync: boolean;
  /** No output type is non-nullable, so that each error of a field is reported. Other parts do not change. */
  isNullable?: boolean;
}

export function randomSchema(seed: number, options: RandomSchemaOptions): GraphQLSchema {
  return new SchemaWriter(seed, options).schema();
}

type Fields = Record<string, GraphQLFieldConfig<unknown, unknown>>;

const KIND = new GraphQLEnumType({
  name: 'Kind',
  values: { PLAIN: {}, OTHER: { value: 2 }, OBJECT: { value: Object.freeze({ a: 1 }) } },
});

/** Rejects some values with the error code PICKY. */
const PICKY = new GraphQLScalarType({
  name: 'Picky',
  serialize: (value) => {
    if (value === 'empty') return undefined;
    if (typeof value === 'string') return `picky ${value}`;
    const { picky } = value as { picky?: string }; // a default value, in a printed schema
    if (picky !== undefined) return picky;
    throw new GraphQLError('Picky serializes only strings', { extensions: { code: 'PICKY' } });
  },
  parseValue: (value) => {
    if (typeof value === 'string' && value !== 'rejected') return { picky: value };
    throw new GraphQLError('Picky does not like this value', { extensions: { code: 'PICKY' } });
  },
});

const INPUT: GraphQLInputObjectType = new GraphQLInputObjectType({
  name: 'In',
  fields: () => ({
    text: { type: GraphQLString, defaultValue: 'none' },
    must: { type: new GraphQLNonNull(GraphQLInt) },
    mustByDefault: { type: new GraphQLNonNull(GraphQLID), defaultValue: 'id' },
    list: { type: new GraphQLList(new GraphQLNonNull(GraphQLInt)), defaultValue: [1] },
    picky: { type: PICKY },
    more: { type: INPUT },
  }),
});

const LEAVES = [GraphQLInt, GraphQLFloat, GraphQLString, GraphQLBoolean, GraphQLID, KIND, PICKY];

/** Value of an object type. Its getters provide the fields without a resolver. */
class Source {
  constructor(readonly number: number) {}
}

class SchemaWriter {
  readonly #random: Random;
  readonly #seed: number;
  readonly #source = class extends Source {};
  readonly #objects: GraphQLObjectType[] = [];
  readonly #abstract: (GraphQLInterfaceType | GraphQLUnionType)[] = [];
  #fields = 0;

  constructor(
    seed: number,
    private readonly options: RandomSchemaOptions,
  ) {
    this.#seed = seed;
    this.#random = new Random(seed);
  }

  schema(): GraphQLSchema {
    const interfaces = [0, 1].map((number) => this.#interface(`Interface${number}`));
    for (let number = 0; number < 4; number += 1) {
      const own = interfaces.filter(() => this.#random.is(0.5));
      this.#objects.push(this.#object(`Object${number}`, own));
    }
    const members = this.#objects.filter((_type, index) => index === 0 || this.#random.is(0.5));
    const union = new GraphQLUnionType({
      name: 'Union',
      types: members,
      resolveType: this.#resolveType('Union'),
    });
    this.#abstract.push(...interfaces, union);
    return new GraphQLSchema({
      query: new GraphQLObjectType({ name: 'Query', fields: this.#fieldsOf('Query', 8) }),
      mutation: new GraphQLObjectType({ name: 'Mutation', fields: this.#fieldsOf('Mutation', 4) }),
      types: [...this.#objects, union],
    });
  }

  #interface(name: string): GraphQLInterfaceType {
    const fields = this.#lazily(() => this.#fieldsOf(name, 2));
    const resolveType = this.#random.is(0.7) ? this.#resolveType(name) : undefined;
    return new GraphQLInterfaceType({ name, fields, resolveType });
  }

  #object(name: string, interfaces: GraphQLInterfaceType[]): GraphQLObjectType {
    return new GraphQLObjectType({
      name,
      interfaces,
      fields: this.#lazily(() => ({
        ...Object.assign({}, ...interfaces.map((one) => one.toConfig().fields)),
        ...this.#fieldsOf(name, 5),
      })),
      isTypeOf: this.#random.is(0.5) ? this.#isTypeOf(name) : undefined,
    });
  }

  /** Creates the fields on first use, because they refer to types that are created later. */
  #lazily(create: () => Fields): () => Fields {
    let fields: Fields | undefined;
    return () => {
      fields ??= create();
      return fields;
    };
  }

  #fieldsOf(type: string, count: number): Fields {
    return Object.fromEntries(Array.from({ length: count }, () => this.#field(type)));
  }

  #field(of: string): [string, GraphQLFieldConfig<unknown, unknown>] {
    const random = new Random(hashOf(this.#seed, of, this.#fields));
    const name = `f${this.#fields}`;
    this.#fields += 1;
    const type = this.#wrapped(random.is(0.5) ? random.one(LEAVES) : random.one(this.#composites()), random);
    const args = Object.fromEntries(
      Array.from({ length: random.below(4) }, (_, number) => {
        const input = inputType(random);
        const isLeaf = isScalarType(getNullableType(input));
        return [
          `a${number}`,
          { type: input, ...(isLeaf && random.is(0.3) && { defaultValue: defaultOf(input) }) },
        ];
      }),
    );
    const resolve = (source: unknown, given: unknown, _context: unknown, info: GraphQLResolveInfo) => {
      const { number } = (source ?? { number: 0 }) as Source;
      return this.#value(type, hashOf(this.#seed, number, name, JSON.stringify(given)), info);
    };
    if (random.is(0.4) && of.startsWith('Object')) this.#defineProperty(name, resolve, random);
    else return [name, { type, args, resolve }];
    return [name, { type, args }];
  }

  #defineProperty(name: string, resolve: (...args: never[]) => unknown, random: Random): void {
    const isFunction = random.is(0.5);
    Object.defineProperty(this.#source.prototype, name, {
      get(this: Source) {
        const call = (args: unknown, context: unknown, info: unknown) =>
          resolve(this as never, args as never, context as never, info as never);
        return isFunction ? call : call({}, undefined, undefined);
      },
    });
  }

  #composites(): GraphQLOutputType[] {
    return [...this.#objects, ...this.#abstract];
  }

  #wrapped(type: GraphQLOutputType, random: Random): GraphQLOutputType {
    const must = (of: GraphQLOutputType) => {
      const isNonNull = random.is(0.4);
      return isNonNull && !this.options.isNullable ? new GraphQLNonNull(of as never) : of;
    };
    let wrapped = must(type);
    for (let depth = random.below(10); depth > 5; depth -= 3) wrapped = must(new GraphQLList(wrapped));
    return wrapped;
  }

  #resolveType(name: string) {
    return (value: unknown, _context: unknown, info: GraphQLResolveInfo) => {
      const random = new Random(hashOf(this.#seed, name, (value as Source).number));
      const possible = info.schema.getPossibleTypes(info.schema.getType(name) as GraphQLUnionType);
      if (random.is(0.02)) throw new Error(`no type at ${pathToArray(info.path).join('.')}`);
      const found =
        random.is(0.95) && possible.length > 0 ? random.one(possible).name : this.#wrongType(random);
      return this.#sometimesLater(random, () => found) as string | undefined;
    };
  }

  #wrongType(random: Random): string | undefined {
    return random.one(['Nothing', 'Kind', 'Query', ...this.#objects.map(({ name }) => name), undefined]);
  }

  #isTypeOf(name: string) {
    const is = (value: unknown, info?: GraphQLResolveInfo) => {
      const random = new Random(hashOf(this.#seed, name, (value as Source).number));
      if (info && random.is(0.02)) throw new Error(`not a type at ${pathToArray(info.path).join('.')}`);
      const answer = random.is(0.96);
      return this.#sometimesLater(random, () => answer) as boolean;
    };
    if (this.#random.is(0.5)) return (value: unknown) => is(value);
    return (value: unknown, _context: unknown, info: GraphQLResolveInfo) => is(value, info);
  }

  #value(of: GraphQLOutputType, number: number, info: GraphQLResolveInfo | undefined): unknown {
    const random = new Random(number);
    return this.#sometimesLater(random, () => this.#settled(of, random, info));
  }

  /** Returns the result of `create`, or a promise or thenable of it. */
  #sometimesLater(random: Random, create: () => unknown): unknown {
    const dice = this.options.isSync ? 9 : random.below(10);
    if (dice > 3) return create();
    const promise = new Promise((resolve, reject) => {
      const settle = () => {
        try {
          resolve(create());
        } catch (error) {
          reject(error);
        }
      };
      if (dice === 0) setImmediate(settle);
      else if (dice === 1) queueMicrotask(settle);
      else settle();
    });
    promise.catch(() => undefined);
    // biome-ignore lint/suspicious/noThenProperty: thenables are results, too
    return dice === 3 ? { then: promise.then.bind(promise) } : promise;
  }

  #settled(of: GraphQLOutputType, random: Random, info: GraphQLResolveInfo | undefined): unknown {
    const type = getNullableType(of);
    if (random.is(0.03)) return random.one([null, undefined]);
    if (random.is(0.01)) return new Error('returned');
    if (random.is(0.02)) throw errorOf(random);
    if (isListType(type)) return this.#list(type.ofType, random, info);
    if (isScalarType(type) || isEnumType(type)) return leafOf(type, random, info);
    if (random.is(0.01)) return random.one([5, 'text', () => undefined]);
    return new this.#source(random.below(1_000_000));
  }

  #list(of: GraphQLOutputType, random: Random, info: GraphQLResolveInfo | undefined): unknown {
    if (random.is(0.01)) return random.one([5, 'text', {}]);
    const values = Array.from({ length: random.below(4) }, () => {
      try {
        return this.#value(of, random.below(1_000_000_000), info);
      } catch (error) {
        return error instanceof Error ? error : new Error('not an error');
      }
    });
    const fails = random.is(0.06);
    return random.one([
      values,
      new Set(values),
      iterate(values, fails),
      fails ? iterate(values, true) : values,
    ]);
  }
}

function* iterate(values: unknown[], fails: boolean): Generator<unknown> {
  yield* values;
  if (fails) throw new GraphQLError('the iterator failed', { extensions: { code: 'ITERATOR' } });
}

function errorOf(random: Random): unknown {
  return random.one([
    new Error('plain'),
    new GraphQLError('with a code', { extensions: { code: 'OWN', more: 1 } }),
    Object.assign(new Error('with extensions'), { extensions: { code: 'EXTENDED' } }),
    Object.freeze(new GraphQLError('without a code')),
    'a text',
    undefined,
  ]);
}

function leafOf({ name }: { name: string }, random: Random, info: GraphQLResolveInfo | undefined): unknown {
  if (random.is(0.03))
    return random.one([{}, Number.NaN, 2 ** 31, 'text', 1.5, true, [1], Symbol('leaf'), 'empty']);
  switch (name) {
    case 'Int':
      return random.below(1_000) - 500;
    case 'Float':
      return random.below(1_000) / 8;
    case 'Boolean':
      return random.is(0.5);
    case 'Kind':
      return random.one(KIND.getValues()).value;
    case 'String':
      return info ? describe(info) : 'text';
    default:
      return `${name} ${random.below(100)}`;
  }
}

/** Everything that a resolver can read in `info`. */
function describe(info: GraphQLResolveInfo): string {
  const { fieldName, parentType, returnType, fieldNodes, variableValues, operation, fragments, path } = info;
  return JSON.stringify([
    ...[fieldName, parentType.name, fieldNodes.length, variableValues, pathToArray(path), path.typename],
    ...[
      String(getNullableType(returnType)).replaceAll('!', ''),
      operation.name?.value,
      Object.keys(fragments),
    ],
  ]);
}

function inputType(random: Random): GraphQLInputType {
  const must = (of: GraphQLInputType) => (random.is(0.4) ? new GraphQLNonNull(of as never) : of);
  const inner = must(random.is(0.3) ? INPUT : random.one(LEAVES));
  return random.is(0.3) ? must(new GraphQLList(inner)) : inner;
}

function defaultOf(type: GraphQLInputType): unknown {
  const defaults: Record<string, unknown> = {
    Int: 7,
    Float: 0.5,
    Boolean: true,
    Picky: { picky: 'default' },
  };
  return defaults[String(getNullableType(type))] ?? 'default';
}
