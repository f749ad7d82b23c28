/** Hostile requests and their expected responses. The process must continue to run without a memory leak. */
import assert from 'node:assert/strict';
import { connect as connectTcp } from 'node:net';
import {
  CORPUS,
  JSON_TYPE,
  ON_EVENT,
  type Sent,
  SOCKET_CORPUS,
  SUBSCRIBE,
} from '../../fixtures/hostile-requests.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { bearer, JWT_SECRET } from '../../support/fixtures/tokens.js';
import { INSPECTED, liveHeapBytes } from '../../support/processes/live-heap.js';
import { TestSocket } from '../../support/servers/test-socket.js';
import { ApiProcess } from './api-process.js';
import { migratedDatabase } from './migrated-database.js';

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
      ...INSPECTED,
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
      for (const [sent] of Object.values(CORPUS)) await send(sent);
    };
    // The first floods fill the cache of documents.
    for (let floods = 0; floods < 3; floods += 1) await flood();
    const before = await liveHeapBytes(api);
    for (let floods = 0; floods < 2; floods += 1) await flood();
    const added = (await liveHeapBytes(api)) - before;
    // A cached document takes about 12 KB, so 1,200 documents that are kept would add 14 MB.
    assert.ok(added < 5_000_000, `two floods add ${added} bytes`);
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
