/**
 * Compares PreparedOperation with graphql-js on random schemas, documents and variables.
 * PCF_FUZZ_DOCUMENTS sets the number of documents, PCF_FUZZ_SEED repeats a run.
 */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import {
  type DocumentNode,
  type ExecutionResult,
  execute,
  type GraphQLSchema,
  parse,
  validate,
} from 'graphql';
import { PreparedOperation } from '../../../api-server/graphql/execution/prepared-operation.js';
import { Random } from './random.js';
import { randomDocument } from './random-document.js';
import { randomSchema } from './random-schema.js';

const { PCF_FUZZ_DOCUMENTS: DOCUMENTS = '40', PCF_FUZZ_SEED: SEED = String(randomInt(2 ** 31)) } =
  process.env;
const DOCUMENTS_PER_SCHEMA = 20;

type Variables = Record<string, unknown>;

describe('executor with random schemas, documents and variables', () => {
  const rejections: NodeJS.UnhandledRejectionListener[] = [];

  // graphql-js does not handle rejections of list items after the list has failed.
  before(() => {
    rejections.push(...process.listeners('unhandledRejection'));
    process.removeAllListeners('unhandledRejection').on('unhandledRejection', () => undefined);
  });
  after(() => {
    process.removeAllListeners('unhandledRejection');
    for (const listener of rejections) process.on('unhandledRejection', listener);
  });

  for (const seed of [1, Number(SEED)]) {
    for (const isSync of [true, false]) {
      it(`returns the results of graphql-js: ${isSync ? 'synchronous' : 'asynchronous'} resolvers, seed ${seed}`, async function () {
        this.timeout(0);
        const counts = { documents: 0, comparisons: 0 };
        for (let first = 0; first < Number(DOCUMENTS); first += DOCUMENTS_PER_SCHEMA) {
          const schemas = new Schemas(seed + first, isSync);
          for (let number = 0; number < DOCUMENTS_PER_SCHEMA; number += 1) {
            const compared = await schemas.compareDocument(seed + first + number);
            counts.documents += compared > 0 ? 1 : 0;
            counts.comparisons += compared;
          }
        }
        if (process.env.PCF_FUZZ_DOCUMENTS) console.log(`      ${JSON.stringify(counts)}`);
        assert.ok(counts.documents > Number(DOCUMENTS) / 2, `only ${counts.documents} documents are valid`);
      });
    }
  }
});

class Schemas {
  readonly #schema: GraphQLSchema;
  readonly #nullable: GraphQLSchema;

  constructor(
    private readonly seed: number,
    private readonly isSync: boolean,
  ) {
    this.#schema = randomSchema(seed, { isSync });
    this.#nullable = randomSchema(seed, { isSync, isNullable: true });
  }

  /** Returns the number of comparisons, which is 0 when the document is not valid. */
  async compareDocument(seed: number): Promise<number> {
    const operation = seed % 4 === 0 ? 'mutation' : 'query';
    const { query, variables } = randomDocument(this.#schema, seed, { operation, depth: 3 });
    const document = parse(query);
    if (validate(this.#schema, document).length > 0) return 0;
    const prepared = PreparedOperation.of(this.#schema, document, undefined, { hideSuggestions: false });
    assert.ok(prepared);
    const sets = variableSets(variables, new Random(seed));
    for (const given of sets) {
      const what = JSON.stringify({ schema: this.seed, seed, isSync: this.isSync, query, given });
      const expected = await this.#expected(this.#schema, document, given);
      const actual = await actualResult(prepared, given);
      const nullable = this.isSync ? undefined : await this.#expected(this.#nullable, document, given);
      compare(actual, withCodes(expected), nullable && withCodes(nullable), what);
    }
    return sets.length;
  }

  async #expected(schema: GraphQLSchema, document: DocumentNode, variableValues: Variables): Promise<Result> {
    return plain(await execute({ schema, document, variableValues }));
  }
}

/** Sets of variables for one prepared operation. No set may change the result of a later one. */
function variableSets(variables: Variables, random: Random): Variables[] {
  const names = Object.keys(variables);
  if (names.length === 0) return [variables, variables];
  const changed = () => {
    const name = random.one(names);
    const { [name]: value, ...others } = variables;
    const dice = random.below(5);
    if (dice === 0) return others;
    if (dice === 1) return { ...variables, [name]: random.one([5, 'rejected', {}, [null], true]) };
    if (dice === 2 && typeof value === 'boolean') return { ...variables, [name]: !value };
    return { ...variables, [name]: null };
  };
  return [variables, changed(), changed(), variables, changed(), variables];
}

interface Result {
  data?: unknown;
  errors: PlainError[];
}

interface PlainError {
  message: string;
  path?: (string | number)[];
  extensions?: { code?: unknown };
}

function plain({ data, errors = [] }: ExecutionResult): Result {
  return { data, errors: errors.map((error) => error.toJSON() as PlainError) };
}

async function actualResult(prepared: PreparedOperation, given: Variables): Promise<Result> {
  const { values, errors } = prepared.variables(given);
  return plain(errors ? { errors } : await prepared.execute(undefined, values));
}

/** Adds the code BAD_USER_INPUT to errors in arguments and variables: graphql-js has no code for them. */
function withCodes({ data, errors }: Result): Result {
  const withCode = (error: PlainError): PlainError =>
    /^(Argument|Variable) "/.test(error.message)
      ? { ...error, extensions: { code: 'BAD_USER_INPUT', ...error.extensions } }
      : error;
  return { data, errors: errors.map(withCode) };
}

/** `nullable` is the result for the schema without non-nullable types, so it contains all errors. */
function compare(actual: Result, expected: Result, nullable: Result | undefined, what: string): void {
  assert.equal(JSON.stringify(actual.data), JSON.stringify(expected.data), what);
  const [errors, expectedErrors] = [actual.errors.map(textOf), expected.errors.map(textOf)];
  if (!nullable) {
    assert.deepEqual(errors, expectedErrors, what);
    return;
  }
  // When several errors make one value null, the order of the errors decides which one is reported.
  const places = (result: Result) =>
    [...new Set(result.errors.map((error) => placeOf(result.data, error)))].sort();
  assert.deepEqual(places(actual), places(expected), what);
  const possible = new Set([...expectedErrors, ...nullable.errors.map(textOf)]);
  for (const error of actual.errors) {
    const isKnown =
      possible.has(textOf(error)) || error.message.startsWith('Cannot return null for non-nullable');
    assert.ok(isKnown, `${textOf(error)} in ${what}`);
  }
  // A list reports the error of its iterator or of an item: graphql-js first waits for the other fields
  // of the item.
  for (const error of expected.errors) {
    const place = placeOf(expected.data, error);
    if (place !== error.path?.join('.')) continue;
    const isReported =
      errors.includes(textOf(error)) ||
      actual.errors.some(({ path }) => path?.join('.').startsWith(`${place}.`));
    assert.ok(isReported, `${textOf(error)} in ${what}`);
  }
}

/** Path of the value that the error made null. */
function placeOf(data: unknown, { path = [] }: PlainError): string {
  const place: (string | number)[] = [];
  let at = data;
  for (const key of path) {
    if (at === null || at === undefined) break;
    at = (at as Record<string | number, unknown>)[key];
    place.push(key);
  }
  return place.join('.');
}

/** The error as text, with one message for values without a type. Clients do not receive that message. */
function textOf(error: PlainError): string {
  const message = error.message.replace(/^(Abstract type|Runtime Object type) .*/s, 'of no type');
  const { path, extensions } = error;
  return JSON.stringify({
    message,
    path,
    extensions,
    locations: (error as { locations?: unknown }).locations,
  });
}
