import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getIntrospectionQuery } from 'graphql';
import pg from 'pg';
import { EXIT } from '../../../contract/image.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { sharedPostgres, type TestPostgres } from '../../support/servers/postgres.js';
import { TestSocket } from '../../support/servers/test-socket.js';
import { ApiProcess, type Env, runRole } from './api-process.js';
import { migratedDatabase } from './migrated-database.js';

const SERVICES = 'query Services { services { totalCount edges { node { name } } } }';
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

describe('api-server limits', () => {
  let postgres: TestPostgres;
  let url: string;
  let folder: string;
  let api: ApiProcess | undefined;

  const start = async (env: Env = {}): Promise<ApiProcess> => {
    api = await ApiProcess.start({ PCF_API__DATABASE__URL: url, ...env });
    await api.waitForReady();
    return api;
  };
  const post = (server: ApiProcess, body: object, headers: Record<string, string> = {}) =>
    server.fetch('/graphql', {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
  const codeOf = async (response: Response) => {
    const { errors = [] } = (await response.json()) as { errors?: { extensions: { code: string } }[] };
    return [response.status, errors[0]?.extensions.code];
  };
  /** Blocks all reads of services until the connection is closed. */
  const lockServices = async (): Promise<pg.Client> => {
    const lock = new pg.Client({ connectionString: url });
    await lock.connect();
    await lock.query('BEGIN; LOCK TABLE services IN ACCESS EXCLUSIVE MODE');
    return lock;
  };
  const countBlockedStatements = async () => {
    const rows = await postgres.query<{ count: number }>(
      `SELECT count(*)::int AS count FROM pg_stat_activity
       WHERE application_name = 'pcf-api' AND state = 'active' AND wait_event_type = 'Lock' AND datname = current_database()`,
      url,
    );
    return rows[0]?.count;
  };

  before(async () => {
    postgres = await sharedPostgres();
    url = await migratedDatabase();
  });
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'pcf-test-limits-'));
  });
  afterEach(async () => {
    await api?.kill();
    api = undefined;
    rmSync(folder, { recursive: true, force: true });
  });

  it('answers 504 to an operation that exceeds the deadline, and cancels its statement in the database', async () => {
    const server = await start({ PCF_API__GRAPHQL__DEADLINE: '300ms' });
    await server.graphql(SERVICES); // cached: a new document takes another code path
    const lock = await lockServices();
    try {
      for (const query of [SERVICES, SERVICES.replace('Services', 'Another')]) {
        const running = server.graphql(query);
        await eventually(
          'the statement waits for the lock',
          async () => (await countBlockedStatements()) === 1,
        );
        const { status, errors, data } = await running;
        assert.deepEqual([status, errors[0]?.extensions.code, data], [504, 'DEADLINE_EXCEEDED', undefined]);
        assert.match(errors[0]?.message ?? '', /longer than 0\.3 s/);
        await eventually('the statement is cancelled', async () => (await countBlockedStatements()) === 0);
      }
    } finally {
      await lock.end();
    }
    assert.equal((await server.graphql(SERVICES)).status, 200);
  });

  it('reports DEADLINE_EXCEEDED for a subscription event that exceeds the deadline, and continues with the next event', async () => {
    const server = await start({ PCF_API__GRAPHQL__DEADLINE: '300ms' });
    const record = async (serviceId: string, version: string) => {
      const input = { serviceId, version, environment: 'production', idempotencyKey: version };
      const RECORD =
        'mutation ($input: RecordDeploymentInput!) { recordDeployment(input: $input) { id environment { name } } }';
      const { errors } = await server.graphql(RECORD, { input });
      assert.deepEqual(errors, []);
    };
    const { data } = await server.graphql('mutation { createService(input: { name: "timed" }) { id } }');
    await record(data.createService.id, '0'); // creates the environment
    const socket = await TestSocket.connect(server.port);
    const CHANGED = 'subscription Timed { deploymentChanged { deployment { version service { name } } } }';
    socket.subscribe(CHANGED);
    await eventually('the subscription is active', async () =>
      /pcf_api_subscribers 1/.test(await server.metrics()),
    );
    const lock = await lockServices();
    try {
      // Written directly to the database: statements of the API would wait for the lock, too.
      await postgres.query(
        `INSERT INTO domain_events (kind, subject_id, service_id, environment, payload)
         SELECT 'DEPLOYMENT_UPDATED', id, service_id, environment, '{}' FROM deployments`,
        url,
      );
      await postgres.query('NOTIFY pcf_events', url);
      const { type, payload } = await socket.next();
      assert.deepEqual([type, payload.errors[0].extensions.code], ['next', 'DEADLINE_EXCEEDED']);
      await eventually('the statement is cancelled', async () => (await countBlockedStatements()) === 0);
    } finally {
      await lock.end();
    }
    await record(data.createService.id, '1');
    const { payload } = await socket.next();
    assert.deepEqual(payload.data.deploymentChanged.deployment, { version: '1', service: { name: 'timed' } });
    socket.end();
    const metrics = await server.metrics();
    assert.match(
      metrics,
      /graphql_operation_duration_seconds_count\{operation="Timed",type="subscription"\} 2/,
    );
    assert.match(metrics, /graphql_operation_errors_total\{operation="Timed",type="subscription"\} 1/);
  });

  it('cancels the statement in the database when the client aborts its request', async () => {
    const server = await start();
    const lock = await lockServices();
    try {
      const abort = new AbortController();
      const aborted = assert.rejects(
        server.fetch('/graphql', {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ query: SERVICES }),
          signal: abort.signal,
        }),
      );
      await eventually(
        'the statement waits for the lock',
        async () => (await countBlockedStatements()) === 1,
      );
      abort.abort();
      await aborted;
      await eventually('the statement is cancelled', async () => (await countBlockedStatements()) === 0);
    } finally {
      await lock.end();
    }
  });

  it('allows an introspection query within the default limits', async () => {
    const server = await start();
    const { status, errors } = await server.graphql(getIntrospectionQuery());
    assert.deepEqual([status, errors], [200, []]);
  });

  it('computes the cost of an operation from the variables of each request', async () => {
    const server = await start({ PCF_API__GRAPHQL__MAX_COST: '100' });
    const query = 'query Some($n: Int) { services(first: $n) { edges { node { id } } } }';
    const statuses: number[] = [];
    for (const n of [10, 100, 10, 100]) statuses.push((await server.graphql(query, { n })).status);
    assert.deepEqual(statuses, [200, 400, 200, 400]);
  });

  it('with only_trusted, rejects untrusted documents in every form of request', async () => {
    const other = 'query Other { services { totalCount } }';
    writeFileSync(join(folder, 'documents.json'), JSON.stringify({ [sha256(SERVICES)]: SERVICES }));
    writeFileSync(join(folder, 'other.graphql'), other);
    const CHANGED = 'subscription Changed { deploymentChanged { cursor kind } }';
    writeFileSync(join(folder, 'changed.graphql'), CHANGED);
    const server = await start({
      PCF_API__GRAPHQL__ONLY_TRUSTED: 'true',
      PCF_API__GRAPHQL__TRUSTED_DOCUMENTS: folder,
    });
    const persisted = (query: string) => ({ persistedQuery: { version: 1, sha256Hash: sha256(query) } });
    const trusted = [
      { query: SERVICES },
      { documentId: `sha256:${sha256(SERVICES)}` },
      { extensions: persisted(other) },
      { query: other, extensions: persisted(other) },
    ];
    for (const body of [...trusted, ...trusted]) {
      const response = await post(server, body);
      assert.equal(response.status, 200, JSON.stringify(body));
      assert.match(await response.text(), /^\{"data":\{"services":\{"totalCount":\d/);
    }
    const untrusted = '{ services { totalCount } }';
    const refused = [
      { query: untrusted },
      { query: `${SERVICES} ` },
      { extensions: persisted(untrusted) },
      { query: untrusted, extensions: persisted(untrusted) },
      { documentId: sha256(untrusted) },
    ];
    for (const body of [...refused, ...refused]) {
      assert.deepEqual(
        await codeOf(await post(server, body)),
        [400, 'UNTRUSTED_DOCUMENT'],
        JSON.stringify(body),
      );
    }
    const preflight = { headers: { 'apollo-require-preflight': '1' } };
    const get = (text: string) =>
      server.fetch(`/graphql?extensions=${encodeURIComponent(JSON.stringify(persisted(text)))}`, preflight);
    assert.equal((await get(SERVICES)).status, 200);
    assert.deepEqual(await codeOf(await get(untrusted)), [400, 'UNTRUSTED_DOCUMENT']);

    const socket = await TestSocket.connect(server.port);
    socket.subscribe('subscription { deploymentChanged { cursor } }');
    assert.equal((await socket.next()).payload[0].extensions.code, 'UNTRUSTED_DOCUMENT');
    socket.subscribe(CHANGED);
    socket.send({
      type: 'subscribe',
      id: 'by hash',
      payload: { query: '', extensions: persisted(CHANGED) },
    });
    await eventually('both subscriptions are active', async () =>
      /pcf_api_subscribers 2/.test(await server.metrics()),
    );
    socket.end();
  });

  it('reports invalid trusted documents at startup and exits with the configuration exit code', async () => {
    const file = join(folder, 'documents.json');
    const startupError = async (env: Env) => {
      const ended = await runRole(['serve'], {
        PCF_API__DATABASE__URL: url,
        PCF_API__GRAPHQL__ONLY_TRUSTED: 'true',
        ...env,
      });
      assert.equal(ended.code, EXIT.config);
      return ended.terminationMessage;
    };
    assert.match(await startupError({}), /graphql: only_trusted requires trusted_documents/);
    assert.match(
      await startupError({ PCF_API__GRAPHQL__TRUSTED_DOCUMENTS: file }),
      /trusted_documents: cannot be loaded: ENOENT/,
    );
    writeFileSync(file, JSON.stringify({ abc: SERVICES }));
    assert.match(
      await startupError({ PCF_API__GRAPHQL__TRUSTED_DOCUMENTS: file }),
      /abc is not the SHA-256 hash of its document/,
    );
  });

  it('sends an ETag with GET responses, and answers 304 for an unchanged result', async () => {
    const server = await start();
    const get = (headers: Record<string, string> = {}) =>
      server.fetch(`/graphql?query=${encodeURIComponent('{ services { edges { node { name } } } }')}`, {
        headers: { 'apollo-require-preflight': '1', ...headers },
      });
    const first = await get();
    const tag = first.headers.get('etag') ?? '';
    assert.deepEqual([first.status, first.headers.get('cache-control')], [200, 'private, no-cache']);
    assert.match(tag, /^W\/"/);
    const same = await get({ 'if-none-match': tag });
    assert.deepEqual([same.status, await same.text()], [304, '']);
    await server.graphql('mutation { createService(input: { name: "tagged" }) { id } }');
    const changed = await get({ 'if-none-match': tag });
    assert.equal(changed.status, 200);
    assert.match(await changed.text(), /tagged/);
  });

  it('compresses large responses with an encoding that the client accepts', async () => {
    const server = await start();
    const encodings: (string | undefined)[] = [];
    for (const encoding of ['br', 'gzip', 'identity', 'gzip;q=0']) {
      encodings.push(await encodingOf(server.port, getIntrospectionQuery(), encoding));
    }
    assert.deepEqual(encodings, ['br', 'gzip', undefined, undefined]);
    assert.equal(
      await encodingOf(server.port, '{ __typename }', 'gzip'),
      undefined,
      'a small response is not compressed',
    );
  });

  it('sets security headers, and allows CORS only for configured origins', async () => {
    const server = await start({
      PCF_API__SERVER__CORS_ORIGINS: 'https://app.example.com,https://b.example.com',
    });
    const preflight = (origin: string) =>
      server.fetch('/graphql', {
        method: 'OPTIONS',
        headers: { origin, 'access-control-request-method': 'POST' },
      });
    const known = await preflight('https://app.example.com');
    assert.equal(known.status, 204);
    assert.equal(known.headers.get('access-control-allow-origin'), 'https://app.example.com');
    const unknown = await preflight('https://evil.example.com');
    assert.equal(unknown.headers.get('access-control-allow-origin'), null);
    const { headers } = await server.graphql('{ __typename }', {}, { origin: 'https://b.example.com' });
    assert.equal(headers.get('access-control-allow-origin'), 'https://b.example.com');
    assert.equal(headers.get('x-content-type-options'), 'nosniff');
    assert.equal(headers.get('content-security-policy'), "default-src 'none'; frame-ancestors 'none'");
    assert.equal(headers.get('strict-transport-security'), null, 'HSTS is only for TLS');
    await server.kill();
    const bad = await runRole(['serve'], { PCF_API__DATABASE__URL: url, PCF_API__SERVER__CORS_ORIGINS: '*' });
    assert.equal(bad.code, EXIT.config);
    assert.match(
      bad.terminationMessage,
      /server\.cors_origins\.0: expected an origin such as https:\/\/app\.example\.com/,
    );
  });

  it('sends no CORS headers if no origins are configured', async () => {
    const server = await start();
    const { headers } = await server.graphql('{ __typename }', {}, { origin: 'https://app.example.com' });
    assert.equal(headers.get('access-control-allow-origin'), null);
  });
});

/** Uses node:http, because fetch() decompresses the response. */
function encodingOf(port: number, query: string, accepted: string): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'accept-encoding': accepted };
    const request = httpRequest({ port, path: '/graphql', method: 'POST', headers }, (response) => {
      response.resume().on('end', () => resolve(response.headers['content-encoding']));
    });
    request.on('error', reject).end(JSON.stringify({ query }));
  });
}
