import assert from 'node:assert/strict';
import type { ApolloServerPlugin, BaseContext } from '@apollo/server';
import { buildSchema } from 'graphql';
import { pino } from 'pino';
import { loadSettings } from '../../../api-server/config/load.js';
import { createGraphqlServer, type GraphqlServer } from '../../../api-server/graphql/graphql-server.js';
import { createMetrics } from '../../../api-server/observability/metrics/metrics.js';

const QUERY = 'query Words($of: Int = 1) { words(of: $of) }';

describe('GraphQL pipeline', () => {
  let server: GraphqlServer<BaseContext>;
  let resolved: number;

  const start = async (plugins: ApolloServerPlugin<BaseContext>[] = []) => {
    const settings = await loadSettings({
      PCF_API__DATABASE__URL: 'postgresql://localhost/pcf',
      PCF_CONFIG_DIR: '/nonexistent',
    });
    resolved = 0;
    const schema = buildSchema('type Query { words(of: Int!): Int } type Mutation { add: Int }');
    schema.getQueryType()!.getFields().words!.resolve = (_source, { of }) => of;
    schema.getMutationType()!.getFields().add!.resolve = () => {
      resolved += 1;
      return resolved;
    };
    server = await createGraphqlServer<BaseContext>({
      ...{ settings, schema, plugins, redis: undefined },
      metrics: createMetrics({ version: '1', revision: 'r' }),
      log: pino({ level: 'silent' }),
      databaseLost: () => undefined,
      retryAfterSeconds: () => 1,
    });
  };
  afterEach(() => server.apollo.stop());

  const send = async (body: object, accept = '*/*') => {
    const headers = { accept, 'content-type': 'application/json' };
    const request = { method: 'POST', url: '/graphql', headers, body };
    const answer = await server.pipeline.answer(request, () => ({}));
    return { ...answer, json: JSON.parse(answer.body) };
  };

  it('calls Apollo plugins for each request: with an unknown document, a known document, and after errors', async () => {
    const hookCalls: string[] = [];
    const plugin: ApolloServerPlugin<BaseContext> = {
      async requestDidStart() {
        hookCalls.push('started');
        return {
          async willSendResponse({ response }) {
            hookCalls.push(`status ${response.http.status ?? 200}`);
          },
        };
      },
    };
    await start([plugin]);
    for (const variables of [{}, {}, { of: 2 }, { of: 'text' }]) await send({ query: QUERY, variables });
    assert.deepEqual(
      hookCalls.filter((event) => event !== 'started'),
      ['status 200', 'status 200', 'status 200', 'status 400'],
    );
    assert.equal(hookCalls.length, 8);
  });

  it('returns the same results with and without a plugin', async () => {
    const bodies = [
      { query: QUERY },
      { query: QUERY, variables: { of: null } },
      { query: QUERY, variables: { of: 'text' } },
      { query: '{' },
      { query: '{ unknown }' },
      { query: 'query A { __typename }', operationName: 'B' },
      { query: QUERY, variables: [] },
      {},
    ];
    const results: unknown[] = [];
    for (const plugins of [[], [{}]]) {
      await start(plugins);
      const answers: unknown[] = [];
      for (const body of [...bodies, ...bodies]) {
        const { status, json } = await send(body);
        answers.push([status, json]);
      }
      results.push(answers);
    }
    assert.deepEqual(results[1], results[0]);
  });

  it('does not execute the operation when no media type is acceptable', async () => {
    await start();
    const { status, json } = await send({ query: 'mutation { add }' }, 'application/jsonp');
    assert.deepEqual([status, json.errors[0].extensions.code, resolved], [406, 'BAD_USER_INPUT', 0]);
    await send({ query: 'mutation { add }' });
    assert.equal(resolved, 1);
  });

  for (const [audit, body, json, graphql] of [
    ['572B and 556A: a document that cannot be parsed', { query: '{' }, 200, 400],
    ['FDE2 and 74FF: an invalid document', { query: '{ unknownField }' }, 200, 400],
    [
      '7B9B and 86EE: an invalid variable',
      { query: 'query CoerceFailure($id: ID!){ __typename }', variables: { id: null } },
      200,
      400,
    ],
    ['423L: no document', { notquery: '{ __typename }' }, 400, 400],
    ['6C01: an operation name that is a number', { query: '{ __typename }', operationName: 0 }, 400, 400],
    ['4760: variables that are a string', { query: '{ __typename }', variables: 'text' }, 400, 400],
    ['58B3: extensions that are a list', { query: '{ __typename }', extensions: [] }, 400, 400],
    ['13EE and 34A2: a valid document', { query: '{ __typename }' }, 200, 200],
  ] as const) {
    it(`returns the status that GraphQL over HTTP requires, audits ${audit}`, async () => {
      await start();
      for (let time = 0; time < 2; time += 1) {
        const asJson = await send(body, 'application/json');
        assert.equal(asJson.status, json, asJson.body);
        assert.match(asJson.headers.get('content-type') ?? '', /^application\/json/);
        const asGraphql = await send(body, 'application/graphql-response+json');
        assert.equal(asGraphql.status, graphql, asGraphql.body);
        assert.match(asGraphql.headers.get('content-type') ?? '', /^application\/graphql-response\+json/);
        if (graphql === 400) assert.equal(asGraphql.json.data, undefined);
      }
    });
  }
});
