/** Hostile requests and their expected responses. The process must continue to run without a memory leak. */
import assert from 'node:assert/strict';
import { connect as connectTcp } from 'node:net';
import { gzipSync } from 'node:zlib';
import { eventually } from '../../support/cluster/pcf-api.js';
import { bearer, JWT_SECRET } from '../../support/fixtures/tokens.js';
import { TestSocket } from '../../support/servers/test-socket.js';
import { ApiProcess } from './api-process.js';
import { migratedDatabase } from './migrated-database.js';

interface Sent {
  query?: unknown;
  variables?: unknown;
  /** Raw request body; replaces the JSON of `query` and `variables`. */
  body?: string | Uint8Array<ArrayBuffer>;
  headers?: Record<string, string>;
  path?: string;
  method?: string;
}

/** Status, code of the first error (undefined if there is none), and for some requests the exceeded limit. */
type Expected = [status: number, code?: string, limit?: string];

const JSON_TYPE = { 'content-type': 'application/json' };
const ACCEPT_JSON = { accept: 'application/json' };
const id = (text: string) => Buffer.from(text).toString('base64url');
const nested = (field: string, depth: number) => `${`{ ${field} `.repeat(depth)}${'} '.repeat(depth)}`;
const UUID = '00000000-0000-4000-8000-000000000000';
const FIRST = (first: number, inner: string) => `services(first: ${first}) { edges { node { ${inner} } } }`;
const NODES = 'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }';

const doubling = (levels: number, type = 'Query') =>
  `{ ...F0 } ${Array.from({ length: levels }, (_, n) => `fragment F${n} on ${type} { ...F${n + 1} ...F${n + 1} }`).join(' ')} fragment F${levels} on ${type} { __typename }`;

/** GET request with the header that passes CSRF prevention, which another test case covers. */
const byGet = (query: string): Sent => ({
  path: `/graphql?${new URLSearchParams({ query })}`,
  method: 'GET',
  headers: { 'apollo-require-preflight': '1' },
});

const TOO_LARGE = 'QUERY_TOO_LARGE';
const MANY_ALIASES = `{ ${Array.from({ length: 100 }, (_, n) => `a${n}: __typename`).join(' ')} }`;
const TOO_COSTLY = `{ ${FIRST(100, 'deployments(first: 100) { edges { node { id } } }')} }`;
const INVALID = 'GRAPHQL_VALIDATION_FAILED';
const BAD = 'BAD_USER_INPUT';

const CORPUS: Record<string, [Sent, Expected]> = {
  'a query with a depth of 1,000': [{ query: nested('services', 1_000) }, [400, 'GRAPHQL_PARSE_FAILED']],
  'a query with a depth of 300': [{ query: nested('services', 300) }, [400, TOO_LARGE, 'depth']],
  'an unterminated query with a depth of 100,000': [
    { query: '{a'.repeat(100_000) },
    [400, 'GRAPHQL_PARSE_FAILED'],
  ],
  'nested lists in a literal': [
    { query: `{ nodes(ids: ${'['.repeat(900)}${']'.repeat(900)}) { id } }` },
    [400, INVALID],
  ],
  'nested lists in a variable': [
    {
      query: NODES,
      body: `{"query":"${NODES}","variables":{"ids":${'['.repeat(50_000)}${']'.repeat(50_000)}}}`,
    },
    [400, BAD],
  ],
  '100 aliases': [{ query: MANY_ALIASES }, [400, TOO_LARGE, 'aliases']],
  'a field repeated 600 times': [{ query: `{ ${'__typename '.repeat(600)} }` }, [400, TOO_LARGE, 'fields']],
  'a field repeated 10,000 times': [
    { query: `{ ${'__typename '.repeat(10_000)} }` },
    [400, 'GRAPHQL_PARSE_FAILED'],
  ],
  '30 levels of fragments that each spread the next one twice': [
    { query: doubling(30) },
    [400, TOO_LARGE, 'fields'],
  ],
  'a fragment that contains itself': [{ query: '{ ...A } fragment A on Query { ...A }' }, [400, INVALID]],
  'a cycle of fragments': [
    { query: '{ ...A } fragment A on Query { ...B __typename } fragment B on Query { ...A }' },
    [400, INVALID],
  ],
  '60 directives': [
    { query: `{ __typename ${'@skip(if: true) '.repeat(60)} }` },
    [400, TOO_LARGE, 'directives'],
  ],
  'an unknown directive': [{ query: '{ __typename @nothing }' }, [400, INVALID]],
  'a list with first: 2147483647': [{ query: `{ ${FIRST(2_147_483_647, 'id')} }` }, [400, TOO_LARGE, 'cost']],
  'a list with more than the maximum page size': [{ query: `{ ${FIRST(101, 'id')} }` }, [200, BAD]],
  'a list with first: -1': [{ query: `{ ${FIRST(-1, 'id')} }` }, [200, BAD]],
  'long lists nested in long lists': [{ query: TOO_COSTLY }, [400, TOO_LARGE, 'cost']],
  'long lists nested in long lists, with the length in a variable': [
    {
      query:
        'query ($n: Int) { services(first: $n) { edges { node { deployments(first: $n) { edges { node { id } } } } } } }',
      variables: { n: 100 },
    },
    [400, TOO_LARGE, 'cost'],
  ],
  '28 times the delivery metrics of a year': [
    {
      query: `{ ${Array.from({ length: 28 }, (_, n) => `a${n}: deliveryMetrics(from: "2020-01-01T00:00:00Z", to: "2021-01-01T00:00:00Z") { buckets { from deployments } }`).join(' ')} services(first: 100) { edges { node { deployments(first: 30) { totalCount edges { node { id } } } } } } }`,
    },
    [400, TOO_LARGE, 'cost'],
  ],
  '12,000 IDs': [
    { query: NODES, variables: { ids: Array(12_000).fill(id(`Service:${UUID}`)) } },
    [400, TOO_LARGE, 'cost'],
  ],
  '1,000 IDs': [{ query: NODES, variables: { ids: Array(1_000).fill(id(`Service:${UUID}`)) } }, [200, BAD]],
  'delivery metrics of 2,000 years per day': [
    {
      query:
        '{ deliveryMetrics(from: "1000-01-01T00:00:00Z", to: "2999-01-01T00:00:00Z", bucket: DAY) { total { deployments } } }',
    },
    [200, BAD],
  ],
  'a field with the alias __proto__': [{ query: '{ __proto__: __typename }' }, [400, TOO_LARGE]],
  'a string that some code generators execute': [
    {
      query: '{ service(name: "__MAGIC_DATE__33a9e76d_02e0_4128_8e92_3530ad3da74dprocess.exit(1)") { id } }',
    },
    [200],
  ],
  'a variable with the name of a JavaScript property': [
    {
      query: 'query ($constructor: ID!) { node(id: $constructor) { id } }',
      variables: { constructor: id(`Service:${UUID}`) },
    },
    [200],
  ],
  'SQL in the name of a service': [
    { query: `{ service(name: "' OR 1=1; DROP TABLE services; --") { id } }` },
    [200],
  ],
  'a NUL character in a string': [{ query: '{ service(name: "a\\u0000b") { id } }' }, [200, BAD]],
  'half a surrogate pair in a string': [
    { query: '{ service(name: "\\uD800") { id } }' },
    [400, 'GRAPHQL_PARSE_FAILED'],
  ],
  'a comment of one megabyte': [{ query: `{ __typename } #${'x'.repeat(1_000_000)}` }, [200]],
  'a field name of one megabyte': [{ query: `{ ${'x'.repeat(1_000_000)} }` }, [400, INVALID]],

  'an invalid ID': [{ query: '{ node(id: "x") { id } }' }, [200, BAD]],
  'an ID of an unknown type': [{ query: `{ node(id: "${id(`Nobody:${UUID}`)}") { id } }` }, [200, BAD]],
  'an ID whose type is the name of a JavaScript property': [
    { query: `{ node(id: "${id(`Constructor:${UUID}`)}") { id } }` },
    [200, BAD],
  ],
  'an ID that contains SQL': [{ query: `{ node(id: "${id("Service:' OR 1=1")}") { id } }` }, [200, BAD]],
  'an ID with upper-case letters in its UUID': [
    { query: `{ node(id: "${id('Service:ABCDEF00-0000-4000-8000-000000000000')}") { id } }` },
    [200, BAD],
  ],
  'an ID of an object that does not exist': [
    { query: `{ node(id: "${id(`Service:${UUID}`)}") { id } }` },
    [200],
  ],
  'an invalid cursor': [{ query: '{ services(after: "!!") { totalCount } }' }, [200, BAD]],
  'a cursor that contains SQL': [
    { query: `{ services(after: "${id('["\'; DROP TABLE services"]')}") { edges { node { id } } } }` },
    [200],
  ],
  'a cursor of another list': [
    { query: `{ services(after: "${id(`["2026-01-01T00:00:00.000Z","${UUID}"]`)}") { edges { cursor } } }` },
    [200, BAD],
  ],
  'a cursor that contains an object': [
    { query: `{ services(after: "${id('[{"a":1}]')}") { edges { cursor } } }` },
    [200, BAD],
  ],
  'a cursor of 100,000 characters': [
    { query: `{ services(after: "${'A'.repeat(100_000)}") { edges { cursor } } }` },
    [200, BAD],
  ],
  'a cursor with a date in the year 0': [
    {
      query: `{ deployments(after: "${id(`["0000-01-01T00:00:00.000Z","${UUID}"]`)}") { edges { cursor } } }`,
    },
    [200, BAD],
  ],

  'a body of invalid UTF-8': [
    { body: new Uint8Array([...Buffer.from('{"query":"{ a'), 0xff, 0xfe, ...Buffer.from('}"}')]) },
    [400, BAD],
  ],
  'a body in UTF-16': [{ body: new Uint8Array(Buffer.from('{"query":"{ __typename }"}', 'utf16le')) }, [400]],
  'a compressed body': [
    { body: new Uint8Array(gzipSync(Buffer.alloc(10_000_000))), headers: { 'content-encoding': 'gzip' } },
    [400, BAD],
  ],
  'no body': [{ body: '' }, [400]],
  'a truncated body': [{ body: '{"query":' }, [400]],
  'a body that is null': [{ body: 'null' }, [400]],
  'a body that is a string': [{ body: '"{ __typename }"' }, [400]],
  'a body without fields': [{ body: '{}' }, [400]],
  'a batch of requests': [{ body: JSON.stringify(Array(100).fill({ query: '{ __typename }' })) }, [400]],
  'a body with __proto__': [{ body: '{"query":"{ __typename }","__proto__":{"x":1}}' }, [400]],
  'a query that is a number': [{ query: 5 }, [400]],
  'a query that is an object': [{ query: { kind: 'Document' } }, [400]],
  'variables that are a string': [{ query: '{ __typename }', variables: '{}' }, [400]],
  'variables that are a list': [{ query: '{ __typename }', variables: [1] }, [400]],
  'the name of an operation that does not exist': [
    { body: '{"query":"query A { __typename }","operationName":"B"}' },
    [400],
  ],
  'a subscription': [{ query: 'subscription { deploymentChanged { cursor } }' }, [400, BAD]],
  'an unknown hash of a persisted query': [
    { body: JSON.stringify({ extensions: { persistedQuery: { version: 1, sha256Hash: 'f'.repeat(64) } } }) },
    [200, 'PERSISTED_QUERY_NOT_FOUND'],
  ],
  'the hash of another query': [
    {
      body: JSON.stringify({
        query: '{ __typename }',
        extensions: { persistedQuery: { version: 1, sha256Hash: 'f'.repeat(64) } },
      }),
    },
    [400],
  ],
  'a body of 2 MB': [{ query: 'x'.repeat(2_000_000) }, [413, 'FST_ERR_CTP_BODY_TOO_LARGE']],

  'a URL-encoded form': [
    { body: 'query={__typename}', headers: { 'content-type': 'application/x-www-form-urlencoded' } },
    [415],
  ],
  'a multipart form': [
    { body: '--x\r\n\r\n--x--', headers: { 'content-type': 'multipart/form-data; boundary=x' } },
    [415],
  ],
  'plain text': [{ body: '{"query":"{ __typename }"}', headers: { 'content-type': 'text/plain' } }, [400]],
  'an XML body': [{ body: '<query/>', headers: { 'content-type': 'application/xml' } }, [415]],
  'an invalid content type': [{ body: '{}', headers: { 'content-type': ';;;' } }, [415]],
  'Accept without JSON': [{ query: '{ __typename }', headers: { accept: 'image/png' } }, [406, BAD]],
  'Accept: application/jsonp': [
    { query: '{ __typename }', headers: { accept: 'application/jsonp' } },
    [406, BAD],
  ],
  'Accept: application/json;q=0': [
    { query: '{ __typename }', headers: { accept: 'application/json;q=0' } },
    [406, BAD],
  ],
  'Accept: application/json with invalid GraphQL': [
    { query: '{', headers: ACCEPT_JSON },
    [200, 'GRAPHQL_PARSE_FAILED'],
  ],
  'Accept: application/json with an unknown field': [
    { query: '{ unknownField }', headers: ACCEPT_JSON },
    [200, INVALID],
  ],
  'Accept: application/json with an invalid variable': [
    { query: 'query ($id: ID!) { node(id: $id) { id } }', variables: { id: null }, headers: ACCEPT_JSON },
    [200, BAD],
  ],
  'Accept: application/json with an expensive query': [
    { query: TOO_COSTLY, headers: ACCEPT_JSON },
    [400, TOO_LARGE, 'cost'],
  ],
  'Accept: application/json with a malformed body': [{ body: '{}', headers: ACCEPT_JSON }, [400]],
  'null for a non-nullable argument': [
    { query: 'query ($id: ID = "x") { node(id: $id) { id } }', variables: { id: null } },
    [200, BAD],
  ],
  'null in a list of non-nullable items': [
    { query: 'query ($id: ID = "x") { nodes(ids: [$id]) { id } }', variables: { id: null } },
    [200, BAD],
  ],
  'a null filter': [
    {
      query: 'query ($f: ServiceFilter = {}) { services(filter: $f) { totalCount } }',
      variables: { f: null },
    },
    [200, BAD],
  ],
  'a null condition': [
    { query: 'query ($if: Boolean = true) { __typename @skip(if: $if) }', variables: { if: null } },
    [200, BAD],
  ],
  'a condition on the root field of a subscription': [
    {
      query: 'subscription ($if: Boolean!) { deploymentChanged @skip(if: $if) { cursor } }',
      variables: { if: false },
    },
    [400, BAD],
  ],
  'a GET request without the preflight header': [
    { path: '/graphql?query={__typename}', method: 'GET' },
    [400],
  ],
  'a mutation in a GET request': [
    {
      path: '/graphql?query=mutation{__typename}',
      method: 'GET',
      headers: { 'apollo-require-preflight': '1' },
    },
    [405],
  ],
  'a GET request with an invalid UTF-8 byte in its query': [
    { ...byGet(''), path: `/graphql?query=${encodeURIComponent(`${MANY_ALIASES}#`)}%FF` },
    [400, BAD],
  ],
  'a GET request with an incomplete UTF-8 character in its query': [
    { ...byGet(''), path: `/graphql?query=${encodeURIComponent(`${MANY_ALIASES}#`)}%E4%BD` },
    [400, BAD],
  ],
  'a POST of the query to which those GET requests could be decoded': [
    { query: `${MANY_ALIASES}#\uFFFD` },
    [400, TOO_LARGE],
  ],
  'a GET request with the alias __proto__ and an invalid UTF-8 byte': [
    { ...byGet(''), path: `/graphql?query=${encodeURIComponent('{ __proto__: __typename }#')}%FF` },
    [400, BAD],
  ],
  'a GET request with an invalid UTF-8 byte in an unused parameter': [
    { ...byGet(''), path: `/graphql?query={__typename}&x=%FF` },
    [400, BAD],
  ],
  'a GET request with a percent-encoded parameter name': [
    { ...byGet(''), path: `/graphql?%71uery=${encodeURIComponent(TOO_COSTLY)}` },
    [400, TOO_LARGE, 'cost'],
  ],
  'a GET request with two queries': [
    { ...byGet(''), path: `/graphql?query={__typename}&query=${encodeURIComponent(TOO_COSTLY)}` },
    [400, BAD],
  ],
  'a GET request with a query that is too deep': [byGet(nested('services', 300)), [400, TOO_LARGE, 'depth']],
  'a GET request with the alias __proto__': [byGet('{ __proto__: __typename }'), [400, TOO_LARGE]],
  'a GET request with invalid GraphQL': [byGet('{ __typename'), [400, 'GRAPHQL_PARSE_FAILED']],
  'an unsupported HTTP method': [{ method: 'PUT', query: '{ __typename }' }, [404, 'NOT_FOUND']],
  'a path traversal': [{ path: '/..%2f..%2fetc/passwd', method: 'GET' }, [404, 'NOT_FOUND']],
  'a path with invalid percent-encoding': [{ path: '/%E0%A4%A', method: 'GET' }, [400]],
};

const SUBSCRIBE = (query: unknown, more: object = {}) => ({
  type: 'subscribe',
  id: 'one',
  payload: { query, ...more },
});
const ON_EVENT = (inner: string) => `subscription { deploymentChanged { deployment { ${inner} } } }`;
const DEEP = `${'service { deployments(first: 1) { edges { node { '.repeat(4)}id${' } } } }'.repeat(4)}`;

/** Messages sent after authentication, and the expected close code or error code. */
const SOCKET_CORPUS: Record<string, [(object | string | Uint8Array)[], number | string]> = {
  'a subscription that is too deep': [[SUBSCRIBE(ON_EVENT(DEEP))], TOO_LARGE],
  'a subscription with a depth of 1,000': [[SUBSCRIBE(nested('a', 1_000))], 'GRAPHQL_PARSE_FAILED'],
  'a subscription with 100 aliases': [
    [SUBSCRIBE(ON_EVENT(Array.from({ length: 100 }, (_, n) => `a${n}: id`).join(' ')))],
    TOO_LARGE,
  ],
  'a subscription with 600 fields': [[SUBSCRIBE(ON_EVENT('id '.repeat(600)))], TOO_LARGE],
  'a subscription with 60 directives': [
    [SUBSCRIBE(ON_EVENT(`id ${'@skip(if: true) '.repeat(60)}`))],
    TOO_LARGE,
  ],
  'a subscription with 30 levels of fragments that each spread the next one twice': [
    [
      SUBSCRIBE(
        `subscription { deploymentChanged { ...F0 } } ${doubling(30, 'DeploymentChanged').slice(10)}`,
      ),
    ],
    TOO_LARGE,
  ],
  'a subscription with long lists nested in long lists': [
    [
      SUBSCRIBE(
        ON_EVENT(
          'service { deployments(first: 100) { edges { node { service { deployments(first: 100) { edges { node { id } } } } } } } }',
        ),
      ),
    ],
    TOO_LARGE,
  ],
  'a subscription with long nested lists, with the length in a variable': [
    [
      SUBSCRIBE(
        `subscription ($n: Int) { deploymentChanged { deployment { service {
          deployments(first: $n) { edges { node { incidents(first: $n) { edges { node { id } } } } } } } } } }`,
        { variables: { n: 100 } },
      ),
    ],
    TOO_LARGE,
  ],
  'a subscription with the maximum cost of a query': [
    [
      SUBSCRIBE(
        ON_EVENT(
          'service { deployments(first: 40) { edges { node { incidents(first: 50) { edges { cursor } } } } } }',
        ),
      ),
    ],
    TOO_LARGE,
  ],
  'a subscription with the alias __proto__': [[SUBSCRIBE(ON_EVENT('__proto__: id'))], TOO_LARGE],
  'a query': [[SUBSCRIBE('{ __typename }')], BAD],
  'a mutation': [[SUBSCRIBE('mutation { __typename }')], BAD],
  'the name of an operation that does not exist': [[SUBSCRIBE(ON_EVENT('id'), { operationName: 'B' })], BAD],
  'an introspection query': [[SUBSCRIBE('{ __schema { types { name } } }')], INVALID],
  'an unknown field': [[SUBSCRIBE(ON_EVENT('nam'))], INVALID],
  'invalid GraphQL': [[SUBSCRIBE('subscription {')], 'GRAPHQL_PARSE_FAILED'],
  'a variable of the wrong type': [
    [
      SUBSCRIBE('subscription ($s: ID) { deploymentChanged(serviceId: $s) { cursor } }', {
        variables: { s: {} },
      }),
    ],
    BAD,
  ],
  'an invalid cursor': [[SUBSCRIBE('subscription { deploymentChanged(after: "!") { cursor } }')], BAD],
  'an unknown hash of a persisted query': [
    [SUBSCRIBE('', { extensions: { persistedQuery: { version: 1, sha256Hash: 'f'.repeat(64) } } })],
    BAD,
  ],
  'an unknown documentId': [[{ type: 'subscribe', id: 'one', payload: { documentId: 'f'.repeat(64) } }], BAD],
  'a condition on the root field': [
    [SUBSCRIBE('subscription { deploymentChanged @skip(if: true) { cursor } }')],
    BAD,
  ],
  'a query that is a number': [[SUBSCRIBE(5)], 4_400],
  'invalid JSON': [['{'], 4_400],
  'a JSON array': [['[]'], 4_400],
  'a message of an unknown type': [[{ type: 'query', id: 'one', payload: {} }], 4_400],
  'invalid UTF-8': [[new Uint8Array([0xff, 0xfe])], 4_400],
  'a second connection_init': [[{ type: 'connection_init' }], 4_429],
  'two subscriptions with the same ID': [[SUBSCRIBE(ON_EVENT('id')), SUBSCRIBE(ON_EVENT('id'))], 4_409],
  'a message of 100,000 characters': [[SUBSCRIBE(`${ON_EVENT('id')} #${'x'.repeat(100_000)}`)], 1_009],
};

describe('GraphQL endpoint under hostile requests', () => {
  let api: ApiProcess;
  let credentials: Record<string, string>;

  before(async () => {
    const url = await migratedDatabase();
    // The client is authenticated and has all permissions. Without credentials, each request returns 401.
    credentials = await bearer();
    api = await ApiProcess.start({
      PCF_API__ENVIRONMENT: 'production',
      PCF_API__DATABASE__URL: url,
      PCF_API__AUTH__JWT_SECRET: JWT_SECRET,
      PCF_API__RATE_LIMIT__REQUESTS: '0',
    });
    await api.waitForReady();
  });
  after(() => api?.kill());

  const send = async ({ query, variables, body, headers = {}, path = '/graphql', method = 'POST' }: Sent) => {
    const response = await api.fetch(path, {
      method,
      headers: { ...credentials, ...(method !== 'GET' && JSON_TYPE), ...headers },
      ...(method !== 'GET' && { body: body ?? JSON.stringify({ query, variables }) }),
    });
    return { status: response.status, text: await response.text() };
  };

  for (const [request, [sent, [status, code, limit]]] of Object.entries(CORPUS)) {
    it(`responds with ${[status, code, limit].filter(Boolean).join(' ')} to ${request}`, async () => {
      // Sent twice, because the response must be the same for a cached document.
      for (const answer of [await send(sent), await send(sent)]) {
        assert.equal(answer.status, status, answer.text.slice(0, 500));
        const { errors = [] } = JSON.parse(answer.text);
        const [first] = errors;
        if (code !== undefined) assert.equal(first?.extensions.code, code, answer.text.slice(0, 500));
        if (limit !== undefined) assert.equal(first.extensions.limit, limit);
        if (status === 200 && code === undefined) assert.deepEqual(errors, []);
        else assert.ok(first, answer.text.slice(0, 500));
        assert.doesNotMatch(answer.text, /node_modules|at \w+ \(|SELECT|Did you mean/);
        assert.ok(answer.text.length < 5_000_000);
      }
    });
  }

  for (const [description, [messages, expected]] of Object.entries(SOCKET_CORPUS)) {
    const result = typeof expected === 'number' ? 'closes with code' : 'responds with';
    it(`WebSocket: ${result} ${expected} on ${description}`, async () => {
      for (let time = 0; time < 2; time += 1) {
        const socket = await TestSocket.connect(api.port, { headers: credentials });
        try {
          for (const message of messages) socket.send(message);
          const answer = await socket.next();
          // An invalid query is rejected with an error message; errors of resolvers are part of a result.
          const errors = answer.type === 'next' ? answer.payload.errors : answer.payload;
          assert.equal(answer.closed ?? errors?.[0]?.extensions.code, expected, JSON.stringify(answer));
          assert.doesNotMatch(JSON.stringify(answer), /node_modules|at \w+ \(|SELECT|Did you mean/);
        } finally {
          socket.end();
        }
      }
    });
  }

  it('WebSocket: limits subscriptions and closes connections without authentication or subprotocol', async () => {
    const socket = await TestSocket.connect(api.port, { headers: credentials });
    for (let number = 0; number < 60; number += 1) {
      const id = number === 7 ? '__proto__' : `s${number}`;
      socket.subscribe('subscription { deploymentChanged { cursor } }', {}, id);
    }
    const codes: string[] = [];
    while (codes.length < 10) {
      const { type, payload } = await socket.next();
      assert.equal(type, 'error');
      codes.push(payload[0].extensions.code);
    }
    assert.deepEqual([...new Set(codes)], ['TOO_MANY_SUBSCRIPTIONS']);
    socket.end();
    const early = await TestSocket.open(api.port, { headers: credentials });
    early.send(SUBSCRIBE(ON_EVENT('id')));
    assert.equal((await early.next()).closed, 4_401, 'before connection_init');
    const unauthenticated = await TestSocket.open(api.port);
    unauthenticated.send({ type: 'connection_init', payload: { authorization: 'Bearer x' } });
    assert.equal((await unauthenticated.next()).closed, 4_403);
    const silent = await TestSocket.open(api.port);
    assert.equal((await silent.next()).closed, 4_408);
    const other = await TestSocket.open(api.port, { protocol: '' });
    assert.equal((await other.next()).closed, 4_406, 'no subprotocol');
    await eventually('all subscribers are removed', async () =>
      /pcf_api_subscribers 0/.test(await api.metrics()),
    );
  });

  it('rejects malformed HTTP and request smuggling, and closes the connection', async () => {
    const raw = (text: string) =>
      new Promise<string>((resolve) => {
        const socket = connectTcp(api.port, '127.0.0.1', () => socket.write(text));
        let answer = '';
        socket.setEncoding('utf8').on('data', (chunk) => {
          answer += chunk;
        });
        socket.on('error', () => undefined).once('close', () => resolve(answer));
      });
    const start = 'POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n';
    const attempts: [string, RegExp][] = [
      ['\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', /^HTTP\/1\.1 400/],
      [`${start}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`, /^HTTP\/1\.1 400/],
      [`${start}content-length: 5\r\ncontent-length: 6\r\n\r\n{}`, /^HTTP\/1\.1 400/],
      [`${start}content-length: -1\r\n\r\n`, /^HTTP\/1\.1 400/],
      [`${start}transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n`, /^HTTP\/1\.1 (400|413)/],
      [`GET / HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(100_000)}\r\n\r\n`, /^HTTP\/1\.1 431/],
    ];
    for (const [text, answer] of attempts) assert.match(await raw(text), answer, text.slice(0, 80));
  });

  it('does not leak memory over more than a thousand distinct queries', async () => {
    const megabytes = async () =>
      Number(/process_resident_memory_bytes (\d+)/.exec(await api.metrics())?.[1]) / 2 ** 20;
    let number = 0;
    const flood = async () => {
      for (let batch = 0; batch < 30; batch += 1) {
        const queries = Array.from({ length: 20 }, () => {
          number += 1;
          return send({
            query: `query Q${number} { a${number}: services(first: ${1 + (number % 100)}) { edges { node { id name owner } } } }`,
          });
        });
        for (const { status } of await Promise.all(queries)) assert.equal(status, 200);
      }
      // Fastify closes the connection of a body that is too large, and fetch may still be sending it.
      const complete = Object.values(CORPUS).filter(([, [status]]) => status !== 413);
      for (const [sent] of complete) await send(sent);
    };
    // A cached document takes about 50 KB, so a leak would add 30 MB with each flood.
    // Memory that is not collected yet adds as much with some floods, but not with each.
    const growths: number[] = [];
    for (let before = await megabytes(); growths.length < 10; ) {
      await flood();
      const after = await megabytes();
      growths.push(Math.round(after - before));
      if (growths.length > 1 && after - before < 10) return;
      before = after;
    }
    assert.fail(`each flood adds to the memory, in MB: ${growths.join(', ')}`);
  });

  it('serves requests from the same process after all hostile requests', async () => {
    await eventually('no request is in flight', async () =>
      /http_requests_in_flight 0/.test(await api.metrics()),
    );
    assert.ok(api.isRunning);
    assert.equal((await api.fetch('/health/ready')).status, 200);
    const { status, errors } = await api.graphql('{ services { totalCount } }', {}, credentials);
    assert.deepEqual([status, errors], [200, []]);
    const metrics = await api.metrics();
    assert.match(metrics, /pcf_api_database_connections\{server="primary",state="busy"\} 0/);
    assert.match(metrics, /pcf_api_database_connections\{server="primary",state="waiting"\} 0/);
    const failures = api.logs.filter(({ level }) => level === 'error' || level === 'fatal');
    assert.deepEqual(failures, []);
  });
});
