import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { type FastifyInstance, fastify } from 'fastify';
import { buildSchema, type GraphQLObjectType } from 'graphql';
import { pino } from 'pino';
import { OPEN_IDENTITY } from '../../../api-server/auth/identity.js';
import { Admission } from '../../../api-server/graphql/admission/admission.js';
import { KnownDocuments, sha256 } from '../../../api-server/graphql/execution/known-documents.js';
import { errorFormatter, maskOf } from '../../../api-server/graphql/format-error.js';
import { SubscriptionRunner } from '../../../api-server/graphql/subscriptions/subscription-runner.js';
import { addSubscriptions } from '../../../api-server/graphql/subscriptions/subscriptions.js';
import { TestSocket } from '../../support/servers/test-socket.js';

const TYPES = `
  type Query { word: String }
  type Event { number(of: Int!): Int }
  type Subscription { event(id: ID! = "x"): Event twice(list: [ID!]): Event }
`;
const EVENT = 'subscription { event { number(of: 1) } }';

describe('subscriptions over graphql-transport-ws', () => {
  let app: FastifyInstance;
  let socket: TestSocket;
  let errorLines: string[];

  beforeEach(async () => {
    errorLines = [];
    const log = pino({ level: 'error' }, { write: (line: string) => void errorLines.push(line) });
    const schema = eventSchema();
    const documents = new KnownDocuments(schema, { maxText: 100_000, hideSuggestions: true });
    const limits = { depth: 10, fields: 100, aliases: 10, directives: 10 };
    const admission = new Admission({
      ...{ schema, documents, limits },
      ...{ introspection: false, maxTokens: 1_000, onlyTrusted: false },
    });
    const mask = maskOf(errorFormatter({ log, databaseLost: () => undefined }));
    const metrics = { graphqlOperation: () => undefined };
    app = fastify();
    addSubscriptions(app, {
      runner: new SubscriptionRunner({
        ...{ schema, documents, admission, mask, metrics },
        ...{ maxCost: 100, deadline: 0 },
      }),
      authenticate: async () => OPEN_IDENTITY,
      refused: async () => undefined,
      take: async () => undefined,
      context: () => ({}),
      mask,
      log,
    });
    await app.listen({ host: '127.0.0.1', port: 0 });
    socket = await TestSocket.connect((app.server.address() as AddressInfo).port);
  });
  afterEach(async () => {
    socket.end();
    await app.close();
  });

  const subscribe = (payload: object, id = 'one') => socket.send({ type: 'subscribe', id, payload });

  it('a documentId without a query references a known document', async () => {
    subscribe({ query: EVENT });
    assert.deepEqual((await socket.next()).payload, { data: { event: { number: 1 } } });
    subscribe({ documentId: `sha256:${sha256(EVENT)}` }, 'two');
    const { id, payload } = await socket.next();
    assert.deepEqual({ id, payload }, { id: 'two', payload: { data: { event: { number: 1 } } } });
  });

  for (const payload of [
    { documentId: `sha256:${'f'.repeat(64)}` },
    { documentId: 5 },
    { extensions: { persistedQuery: { version: 1, sha256Hash: 'f'.repeat(64) } } },
    { query: null },
    {},
  ]) {
    it(`an unknown document fails only its own subscription: ${JSON.stringify(payload).slice(0, 40)}`, async () => {
      subscribe({ query: EVENT });
      await socket.next();
      subscribe(payload, 'two');
      const { type, id, payload: errors } = await socket.next();
      assert.deepEqual([type, id, errors[0].extensions.code], ['error', 'two', 'BAD_USER_INPUT']);
      socket.send({ type: 'ping' });
      assert.deepEqual(await socket.next(), { type: 'pong' });
    });
  }

  for (const [what, query, variables, message] of [
    [
      'null for a non-nullable argument',
      'subscription ($id: ID = "x") { event(id: $id) { number(of: 1) } }',
      { id: null },
      /Argument "id" of non-null type "ID!" must not be null/,
    ],
    [
      'null in a list of non-nullable items',
      'subscription ($id: ID = "x") { twice(list: [$id]) { number(of: 1) } }',
      { id: null },
      /Argument "list" has invalid value/,
    ],
    ['a null variable', 'subscription ($id: ID!) { event(id: $id) { number(of: 1) } }', { id: null }, /\$id/],
    [
      '@skip on the root field',
      'subscription { event @skip(if: true) { number(of: 1) } }',
      {},
      /@skip cannot be used on the root field/,
    ],
    [
      '@include with a variable on the root field',
      'subscription ($if: Boolean!) { event @include(if: $if) { number(of: 1) } }',
      { if: false },
      /@include cannot be used on the root field/,
    ],
    [
      '@skip in a fragment of the root',
      'subscription { ...Root } fragment Root on Subscription { ... @skip(if: true) { event { number(of: 1) } } }',
      {},
      /@skip cannot be used on the root field/,
    ],
  ] as const) {
    it(`rejects ${what} with BAD_USER_INPUT and the reason`, async () => {
      subscribe({ query, variables });
      const { type, payload } = await socket.next();
      assert.equal(type, 'error');
      assert.equal(payload[0].extensions.code, 'BAD_USER_INPUT');
      assert.match(payload[0].message, message);
      assert.deepEqual(errorLines, []);
    });
  }

  it('null for a non-nullable argument of a nested field is BAD_USER_INPUT in each event', async () => {
    const query = 'subscription ($of: Int = 1) { event { number(of: $of) } }';
    subscribe({ query, variables: { of: null } });
    const { payload } = await socket.next();
    assert.deepEqual(payload.data, { event: { number: null } });
    assert.equal(payload.errors[0].extensions.code, 'BAD_USER_INPUT');
    assert.deepEqual(errorLines, []);
    subscribe({ query, variables: {} }, 'two');
    assert.deepEqual((await socket.next()).payload, { data: { event: { number: 1 } } });
  });
});

/** Each subscription receives one event and stays open. */
function eventSchema() {
  const schema = buildSchema(TYPES);
  const { number } = (schema.getType('Event') as GraphQLObjectType).getFields();
  number!.resolve = (_source, { of }) => of;
  for (const field of Object.values(schema.getSubscriptionType()!.getFields())) {
    field.subscribe = async function* () {
      yield {};
      await new Promise(() => undefined);
    };
    field.resolve = (event) => event;
  }
  return schema;
}
