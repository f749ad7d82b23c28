/** Compares PreparedOperation with graphql-js on the trap schema. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import {
  buildSchema,
  type ExecutionResult,
  execute,
  type GraphQLFormattedError,
  type GraphQLOutputType,
  type GraphQLSchema,
  getNamedType,
  isAbstractType,
  isEnumType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  parse,
  validate,
} from 'graphql';
import { sha256 } from '../../../api-server/graphql/execution/known-documents.js';
import { PreparedOperation } from '../../../api-server/graphql/execution/prepared-operation.js';
import { propertyRuns } from '../../support/runner/property-runs.js';
import { randomDocument } from './random-document.js';
import { trapSchema } from './trap-schema.js';

const schema = trapSchema();
const RUNS = propertyRuns(400);

type Variables = Record<string, unknown>;

const newContext = () => ({ from: 'context', log: [] });

async function executePrepared(
  query: string,
  variables: Variables = {},
  name?: string,
  of = schema,
): Promise<ExecutionResult> {
  const operation = PreparedOperation.of(of, parse(query), name, { hideSuggestions: false });
  assert.ok(operation, 'the operation cannot be prepared');
  const checked = operation.variables(variables);
  if (checked.errors) return { errors: checked.errors };
  // State that is cached by one run must not change the result of the next run with other values.
  for (const values of [flipBooleans(checked.values), checked.values])
    await operation.execute(newContext(), values);
  return operation.execute(newContext(), checked.values);
}

function flipBooleans(values: Variables): Variables {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, typeof value === 'boolean' ? !value : value]),
  );
}

async function executeReference(
  query: string,
  variables: Variables = {},
  name?: string,
  of = schema,
): Promise<ExecutionResult> {
  return execute({
    schema: of,
    document: parse(query),
    contextValue: newContext(),
    variableValues: variables,
    operationName: name,
  });
}

/** Path of the value that an error made null. When several errors do so, timing decides which is reported. */
function placeOf(data: unknown, { path = [] }: GraphQLFormattedError): string {
  const place: (string | number)[] = [];
  let at = data;
  for (const key of path) {
    if (at === null || at === undefined) break;
    at = (at as Record<string | number, unknown>)[key];
    place.push(key);
  }
  return place.join('.');
}

function errorsByPlace({ data, errors = [] }: ExecutionResult): Map<string, string[]> {
  const places = new Map<string, string[]>();
  for (const error of errors.map((one) => one.toJSON())) {
    const place = placeOf(data, error);
    places.set(place, [...(places.get(place) ?? []), JSON.stringify(error)].sort());
  }
  return places;
}

/** Without `fixedOrder`, several fields can make one value null, and the reported error can differ. */
async function compare(
  query: string,
  variables: Variables = {},
  name?: string,
  fixedOrder = true,
  of = schema,
): Promise<void> {
  const problems = validate(of, parse(query));
  assert.deepEqual(problems, [], query);
  const [actual, expected] = [
    await executePrepared(query, variables, name, of),
    await executeReference(query, variables, name, of),
  ];
  // Compared as text, because the order of the fields is part of the result.
  assert.equal(JSON.stringify(actual.data), JSON.stringify(expected.data), query);
  const [places, expectedPlaces] = [errorsByPlace(actual), errorsByPlace(expected)];
  assert.deepEqual([...places.keys()].sort(), [...expectedPlaces.keys()].sort(), query);
  for (const [place, errors] of expectedPlaces) {
    const got = places.get(place) ?? [];
    const isOwn = errors.every((text) => JSON.parse(text).path?.join('.') === place);
    if (errors.length === 1 && got.length === 1 && (isOwn || fixedOrder))
      assert.deepEqual(withoutCode(got), withoutCode(errors), query);
  }
}

/** Removes differences from graphql-js: codes of invalid variables, and messages of values without a type. */
function withoutCode(errors: string[]): string[] {
  return errors
    .map((text) => text.replace(/,"extensions":\{"code":"BAD_USER_INPUT"\}/, ''))
    .map((text) =>
      text.replace(
        /"message":"(Abstract type|Runtime Object type) .*?","locations/,
        '"message":"of no type","locations',
      ),
    );
}

describe('executor', () => {
  const corpus: [string, string, Variables?, string?][] = [
    ['plain values, aliases and __typename', '{ a: word __typename b: number yes id kind at }'],
    ['null in nullable and non-nullable fields', '{ nothing item { nothing mustBe: nullThatMustNot } }'],
    ['an error of a nullable field', '{ fails item { fails word } laterFails }'],
    ['an error of a non-nullable field', '{ item { child { mustNotFail word } word } word }'],
    ['a rejected promise of a non-nullable field', '{ item { child { mustNotFailLater word } word } word }'],
    [
      'a rejected promise that makes non-nullable objects null up to the root',
      '{ must { must { mustNotFailLater } } word }',
    ],
    [
      'an error that makes non-nullable objects null up to the root',
      '{ must { must { mustNotFail } } word }',
    ],
    ['lists with errors, nulls and promises', '{ mixed mixedMust items { word fails } }'],
    ['lists of non-nullable objects', '{ mustItems { word child { word } } oddItems { word mustNotFail } }'],
    ['a value that is not a list, and an object of another type', '{ noList wrongType { word } }'],
    [
      'an interface and a union',
      '{ some { word ... on Item { number } ... on Other { extra } } any { ... on Other { extra } } }',
    ],
    [
      'abstract types that resolve asynchronously, to an unknown type, and not at all',
      '{ later { word } lost { word } strange { __typename } }',
    ],
    ['functions and promises as properties', '{ item { called(times: 2) promised getter } }'],
    [
      'values that are invalid for their type',
      '{ badNumber badKind badAt item { badNumber } hugeNumber nan }',
    ],
    [
      'arguments, defaults and omitted arguments',
      'query ($a: Int, $in: In) { echo(a: $a, in: $in) b: echo(in: { name: "x", list: [1, 2] }) c: echo(a: null) d: echo }',
      { in: { name: 'n' } },
    ],
    [
      'undefined variables in an input object',
      'query ($n: String, $l: Int) { echo(in: { name: $n, list: [$l] }) }',
      {},
    ],
    ['a null variable in an input object', 'query ($n: String) { echo(in: { name: $n }) }', { n: null }],
    ['defaults of variables', 'query ($a: Int = 7, $in: In = { name: "d" }) { echo(a: $a, in: $in) }'],
    ['invalid variables', 'query ($a: Int!, $in: In!) { echo(a: $a, in: $in) }', { a: 'x', in: { nme: 1 } }],
    ['a missing required variable', 'query ($a: Int!) { must { must { word } } echo(a: $a) }'],
    ['a non-nullable argument with an undefined variable', 'query ($a: Int) { needs(a: $a) word }'],
    [
      '@skip and @include',
      'query ($y: Boolean!, $n: Boolean!) { word @include(if: $y) number @skip(if: $y) ... @include(if: $n) { id } item @include(if: $y) { word @skip(if: $n) } }',
      { y: true, n: false },
    ],
    [
      '@skip and @include with the opposite values',
      'query ($y: Boolean!, $n: Boolean!) { word @include(if: $y) number @skip(if: $y) ... @include(if: $n) { id } item @include(if: $y) { word @skip(if: $n) } }',
      { y: false, n: true },
    ],
    [
      'fragments that are merged',
      '{ item { ...A ...B child { ...A } } item { number } } fragment A on Item { word child { id } } fragment B on Named { word ... on Item { child { number } } }',
    ],
    ['one of several operations', 'query A { word } query B { number }', {}, 'B'],
    ['mutations in serial order', 'mutation { a: add(n: 1) b: addLater(n: 2) c: failLater d: add(n: 3) }'],
    ['an error of a non-nullable mutation field', 'mutation { a: add(n: 1) mustNotFail b: add(n: 100) }'],
    [
      'introspection',
      '{ __schema { queryType { name fields { name type { kind name ofType { name } } args { name defaultValue } } } } __type(name: "Item") { interfaces { name } } }',
    ],
  ];
  for (const [what, query, variables, name] of corpus) {
    it(`returns the result of graphql-js: ${what}`, () => compare(query, variables, name));
  }

  for (const [what, of, options] of [
    ['random queries of the trap schema', schema, { without: ['changes'] }],
    ['random mutations of the trap schema', schema, { operation: 'mutation' }],
    ['random queries of the API schema', apiSchemaWithResolvers(), {}],
    ['random mutations of the API schema', apiSchemaWithResolvers(), { operation: 'mutation' }],
  ] as const) {
    it(`returns the result of graphql-js: ${what}`, async () => {
      let compared = 0;
      const seeds = fc.integer({ min: 0, max: 2 ** 31 });
      await fc.assert(
        fc.asyncProperty(seeds, async (seed) => {
          const { query, variables } = randomDocument(of, seed, options);
          if (validate(of, parse(query)).length > 0) return; // fields conflict
          compared += 1;
          await compare(query, variables, undefined, false, of);
        }),
        { numRuns: RUNS },
      );
      assert.ok(compared > RUNS * 0.6, `only ${compared} of ${RUNS} documents are valid`);
    });
  }

  it('does not run string arguments as code', async () => {
    const texts = [
      '`$' + '{process.exit(1)}`',
      '");process.exit(1);("',
      '__MAGIC_DATE__33a9e76d_02e0_4128_8e92_3530ad3da74dprocess.exit(1)',
    ];
    for (const text of texts) {
      const { data } = await executePrepared(`{ echo(in: { name: ${JSON.stringify(text)} }) }`);
      assert.equal(JSON.parse(String(data?.echo)).in.name, text);
    }
  });

  it('does not run a field called __proto__', () => {
    const document = parse('{ __proto__: item { word } }');
    assert.equal(PreparedOperation.of(schema, document, undefined), undefined);
  });

  describe('a nullable variable in @skip and @include', () => {
    const query = `query Page($more: Boolean = false) {
      word @include(if: $more) item { word number @include(if: $more) ...Child @skip(if: $more) }
    } fragment Child on Item { child { id @include(if: $more) } }`;
    const operation = () => PreparedOperation.of(schema, parse(query), undefined) as PreparedOperation;
    const run = async (of: PreparedOperation, given: Variables) => {
      const { values } = of.variables(given);
      assert.ok(values);
      return of.execute(newContext(), values);
    };

    for (const order of [
      [null, undefined, true, false, null, undefined],
      [undefined, null, undefined, null, true],
    ]) {
      it(`returns the result of graphql-js for each value: ${order.map(String).join(', ')}`, async () => {
        const shared = operation();
        for (const more of order) {
          const given = more === undefined ? {} : { more };
          const { data, errors = [] } = await run(shared, given);
          const expected = await executeReference(query, given);
          assert.equal(JSON.stringify(data), JSON.stringify(expected.data));
          assert.equal(errors.length, expected.errors?.length ?? 0);
          if (more === null) assert.equal(errors[0]?.extensions.code, 'BAD_USER_INPUT');
        }
      });
    }

    it('returns a request error and does not throw when the variable of a root field is null', async () => {
      const { data, errors } = await run(operation(), { more: null });
      assert.equal(data, null);
      assert.match(errors?.[0]?.message ?? '', /Argument "if" of non-null type "Boolean!" must not be null/);
    });
  });

  it('an invalid argument is BAD_USER_INPUT, with and without a resolver', async () => {
    const plain = buildSchema(
      'type Query { with(of: Int! = 1): Int without(of: Int! = 1): Int word: String }',
    );
    plain.getQueryType()!.getFields().with!.resolve = (_source, { of }) => of;
    const query = 'query ($of: Int = 1) { with(of: $of) without(of: $of) word }';
    const { data, errors = [] } = await executePrepared(query, { of: null }, undefined, plain);
    assert.deepEqual(data, { with: null, without: null, word: null });
    assert.deepEqual(
      errors.map(({ path, extensions }) => [path, extensions.code]),
      [
        [['with'], 'BAD_USER_INPUT'],
        [['without'], 'BAD_USER_INPUT'],
      ],
    );
    await compare(query, { of: null }, undefined, true, plain);
  });

  it('responds when the location of an error is invalid', async () => {
    const strange = buildSchema('type Query { a: Int b: Int }');
    const fields = strange.getQueryType()!.getFields();
    fields.a!.resolve = async () => {
      throw Object.assign(new Error('strange'), { positions: 5, source: {} });
    };
    fields.b!.resolve = () => 1;
    const { data, errors } = await executePrepared('{ a b }', {}, undefined, strange);
    assert.deepEqual(data, { a: null, b: 1 });
    assert.equal(errors?.length, 1);
  });

  it('freezes the arguments that list items share', async () => {
    const { errors } = await executePrepared('{ items { changes(list: [1]) } }');
    assert.match(errors?.[0]?.message ?? '', /not extensible/);
  });
});

/** The API schema with resolvers. The value of a field depends on its source, its name and its arguments. */
function apiSchemaWithResolvers(): GraphQLSchema {
  const filled = buildSchema(readFileSync('api-server/schema.graphql', 'utf8'));
  for (const type of Object.values(filled.getTypeMap())) {
    if (isAbstractType(type)) {
      const possible = filled.getPossibleTypes(type);
      type.resolveType = ({ number }: Filling) => possible[number % possible.length]!.name;
    }
    if (!isObjectType(type) || type.name.startsWith('__')) continue;
    for (const field of Object.values(type.getFields())) {
      field.resolve = (source, args) => {
        const from = `${(source as Filling | undefined)?.number ?? 0} ${field.name} ${JSON.stringify(args)}`;
        const value = valueFor(field.type, Number.parseInt(sha256(from).slice(0, 8), 16));
        return isLeafType(getNamedType(field.type)) ? value : Promise.resolve(value);
      };
    }
  }
  return filled;
}

interface Filling {
  number: number;
}

/** Returns a value of the type, sometimes null, also for non-nullable types. */
function valueFor(type: GraphQLOutputType, number: number): unknown {
  if (isNonNullType(type)) return number % 53 === 0 ? null : valueFor(type.ofType, number + 1);
  if (number % 7 === 0) return null;
  if (isListType(type)) return [number + 1, number + 2].map((one) => valueFor(type.ofType, one));
  if (isEnumType(type)) return type.getValues()[number % type.getValues().length]!.name;
  if (isObjectType(type) || isAbstractType(type)) return { number };
  if (type.name === 'Boolean') return number % 2 === 0;
  return type.name === 'Int' || type.name === 'Float' ? number % 1_000 : `${type.name} ${number % 10}`;
}
