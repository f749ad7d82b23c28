/** Our executor beside graphql-js, on a schema of every trap there is. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  type ExecutionResult,
  execute,
  type GraphQLFormattedError,
  GraphQLObjectType,
  type GraphQLSchema,
  parse,
  validate,
} from 'graphql';
import { PreparedOperation } from '../../../api-server/platform/graphql/execution/prepared-operation.js';
import { trapSchema } from './trap-schema.js';

const schema = trapSchema();

type Variables = Record<string, unknown>;

const newContext = () => ({ from: 'context', log: [] });

async function ours(query: string, variables: Variables = {}, name?: string): Promise<ExecutionResult> {
  const operation = PreparedOperation.of(schema, parse(query), name, { hideSuggestions: false });
  assert.ok(operation, 'it can be prepared');
  const checked = operation.variables(variables);
  if (checked.errors) return { errors: checked.errors };
  await operation.execute(newContext(), checked.values); // the second run is of what is kept
  return operation.execute(newContext(), checked.values);
}

async function theirs(query: string, variables: Variables = {}, name?: string): Promise<ExecutionResult> {
  return execute({
    schema,
    document: parse(query),
    contextValue: newContext(),
    variableValues: variables,
    operationName: name,
  });
}

/** The place that an error made null: several may do so at once, and which of them is told is a matter of time. */
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

function byPlace({ data, errors = [] }: ExecutionResult): Map<string, string[]> {
  const places = new Map<string, string[]>();
  for (const error of errors.map((one) => one.toJSON())) {
    const place = placeOf(data, error);
    places.set(place, [...(places.get(place) ?? []), JSON.stringify(error)].sort());
  }
  return places;
}

/** Without `fixedOrder` several things may fail in one place, and which is told first differs. */
async function compare(
  query: string,
  variables: Variables = {},
  name?: string,
  fixedOrder = true,
): Promise<void> {
  const problems = validate(schema, parse(query));
  assert.deepEqual(problems, [], query);
  const [mine, expected] = [await ours(query, variables, name), await theirs(query, variables, name)];
  // As text: the order of the fields counts.
  assert.equal(JSON.stringify(mine.data), JSON.stringify(expected.data), query);
  const [places, wanted] = [byPlace(mine), byPlace(expected)];
  assert.deepEqual([...places.keys()].sort(), [...wanted.keys()].sort(), query);
  for (const [place, errors] of wanted) {
    const got = places.get(place) ?? [];
    const isOwn = errors.every((text) => JSON.parse(text).path?.join('.') === place);
    if (errors.length === 1 && got.length === 1 && (isOwn || fixedOrder))
      assert.deepEqual(withoutCode(got), withoutCode(errors), query);
  }
}

/** Ours has a code for variables that don't fit, and one message for values of no type; nobody sees that one. */
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
    ['what is null, and what can not be', '{ nothing item { nothing mustBe: nullThatMustNot } }'],
    ['an error of a nullable field', '{ fails item { fails word } laterFails }'],
    ['an error of a field that can not be null', '{ item { child { mustNotFail word } word } word }'],
    ['the same, later', '{ item { child { mustNotFailLater word } word } word }'],
    ['through objects that can not be null up to the root', '{ must { must { mustNotFailLater } } word }'],
    ['through objects that can not be null up to the root at once', '{ must { must { mustNotFail } } word }'],
    ['lists with errors, nulls and promises', '{ mixed mixedMust items { word fails } }'],
    [
      'a list of objects that can not be null',
      '{ mustItems { word child { word } } oddItems { word mustNotFail } }',
    ],
    ['what is no list, or no object of the type', '{ noList wrongType { word } }'],
    [
      'an interface and a union',
      '{ some { word ... on Item { number } ... on Other { extra } } any { ... on Other { extra } } }',
    ],
    [
      'types that are known later, wrongly, or not',
      '{ later { word } lost { word } strange { __typename } }',
    ],
    ['functions and promises as properties', '{ item { called(times: 2) promised getter } }'],
    ['values that do not fit their type', '{ badNumber badKind badAt item { badNumber } hugeNumber nan }'],
    [
      'arguments, defaults and what is left out',
      'query ($a: Int, $in: In) { echo(a: $a, in: $in) b: echo(in: { name: "x", list: [1, 2] }) c: echo(a: null) d: echo }',
      { in: { name: 'n' } },
    ],
    [
      'a variable in an object that is not given',
      'query ($n: String, $l: Int) { echo(in: { name: $n, list: [$l] }) }',
      {},
    ],
    ['a variable in an object that is null', 'query ($n: String) { echo(in: { name: $n }) }', { n: null }],
    ['defaults of variables', 'query ($a: Int = 7, $in: In = { name: "d" }) { echo(a: $a, in: $in) }'],
    [
      'variables that do not fit',
      'query ($a: Int!, $in: In!) { echo(a: $a, in: $in) }',
      { a: 'x', in: { nme: 1 } },
    ],
    ['a variable that is missing', 'query ($a: Int!) { must { must { word } } echo(a: $a) }'],
    ['an argument that is missing its variable', 'query ($a: Int) { needs(a: $a) word }'],
    [
      '@skip and @include',
      'query ($y: Boolean!, $n: Boolean!) { word @include(if: $y) number @skip(if: $y) ... @include(if: $n) { id } item @include(if: $y) { word @skip(if: $n) } }',
      { y: true, n: false },
    ],
    [
      'the same with other values',
      'query ($y: Boolean!, $n: Boolean!) { word @include(if: $y) number @skip(if: $y) ... @include(if: $n) { id } item @include(if: $y) { word @skip(if: $n) } }',
      { y: false, n: true },
    ],
    [
      'fragments that are merged',
      '{ item { ...A ...B child { ...A } } item { number } } fragment A on Item { word child { id } } fragment B on Named { word ... on Item { child { number } } }',
    ],
    ['one of several operations', 'query A { word } query B { number }', {}, 'B'],
    [
      'mutations one after the other',
      'mutation { a: add(n: 1) b: addLater(n: 2) c: failLater d: add(n: 3) }',
    ],
    ['a mutation that can not be null and fails', 'mutation { a: add(n: 1) mustNotFail b: add(n: 100) }'],
    [
      'introspection',
      '{ __schema { queryType { name fields { name type { kind name ofType { name } } args { name defaultValue } } } } __type(name: "Item") { interfaces { name } } }',
    ],
  ];
  for (const [what, query, variables, name] of corpus) {
    it(`answers as graphql-js does: ${what}`, () => compare(query, variables, name));
  }

  it('answers as graphql-js does whatever is asked', async () => {
    await fc.assert(
      fc.asyncProperty(selectionOf('Query', 4), async (selection) =>
        compare(selection, {}, undefined, false),
      ),
      { numRuns: 400 },
    );
  });

  it('a text of a client is never code', async () => {
    const texts = [
      '`$' + '{process.exit(1)}`',
      '");process.exit(1);("',
      '__MAGIC_DATE__33a9e76d_02e0_4128_8e92_3530ad3da74dprocess.exit(1)',
    ];
    for (const text of texts) {
      const { data } = await ours(`{ echo(in: { name: ${JSON.stringify(text)} }) }`);
      assert.equal(JSON.parse(String(data?.echo)).in.name, text);
    }
  });

  it('leaves a field called __proto__ to graphql-js', () => {
    const document = parse('{ __proto__: item { word } }');
    assert.equal(PreparedOperation.of(schema, document, undefined), undefined);
  });

  it('siblings share their arguments, and none can change them', async () => {
    const { errors } = await ours('{ items { changes(list: [1]) } }');
    assert.match(errors?.[0]?.message ?? '', /not extensible/);
  });
});

/** A selection of fields of the type, at random. */
function selectionOf(typeName: string, depth: number): fc.Arbitrary<string> {
  const type = (schema as GraphQLSchema).getType(typeName) as GraphQLObjectType;
  const fields = Object.values(type.getFields()).filter(
    ({ args, name }) => args.length === 0 && name !== 'changes',
  );
  const field = fc.constantFrom(...fields).chain(({ name, type: of }) => {
    const named = String(of).replace(/[[\]!]/g, '');
    const inner = (schema as GraphQLSchema).getType(named);
    const alias = fc.constantFrom('', 'x: ', 'y: ');
    if (!(inner instanceof GraphQLObjectType)) {
      const isAbstract = inner && 'getInterfaces' in inner;
      const isUnion = inner && 'getTypes' in inner;
      const text = isUnion
        ? `${name} { __typename ... on Item { word mustNotFail } ... on Other { extra } }`
        : isAbstract
          ? `${name} { word ... on Item { fails number } }`
          : name;
      return fc.constant(`${name}: ${text}`.replace(/^\w+: /, ''));
    }
    if (depth === 0) return fc.constant('__typename');
    return fc.tuple(alias, selectionOf(named, depth - 1)).map(([, set]) => `${name} ${set}`);
  });
  return fc.array(field, { minLength: 1, maxLength: 4 }).map((parts) => `{ ${parts.join(' ')} }`);
}
