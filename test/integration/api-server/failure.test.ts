import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { toGlobalId } from '../../../api-server/graphql/relay/global-id.js';
import { connectionReportSchema, EXIT } from '../../../contract/image.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import {
  freePort,
  removePostgres,
  sharedPostgres,
  startPostgres,
  type TestPostgres,
} from '../../support/servers/postgres.js';
import { ApiProcess, makeImage, migrationFile, runRole } from './api-process.js';
import { migratedDatabase } from './migrated-database.js';

const SERVICES = '{ services { totalCount edges { node { name } } } }';
const FAST = { PCF_API__DATABASE__RETRY_INITIAL: '100ms', PCF_API__DATABASE__RETRY_MAX: '500ms' };

describe('api-server under failure', () => {
  let shared: TestPostgres;
  let url: string;
  let api: ApiProcess | undefined;

  const start = async (env: Record<string, string> = {}, image?: string): Promise<ApiProcess> => {
    api = await ApiProcess.start({ PCF_API__DATABASE__URL: url, ...FAST, ...env }, image);
    return api;
  };
  const migrate = async (at: string) =>
    assert.equal((await runRole(['migrate', 'up'], { PCF_API__DATABASE__URL: at })).code, EXIT.ok);

  before(async () => {
    shared = await sharedPostgres();
  });
  beforeEach(async () => {
    url = await shared.createDatabase();
  });
  afterEach(async () => {
    await api?.kill();
    api = undefined;
  });

  it('exits with code 78 and a one-line message with the remedy if settings are invalid', async () => {
    const ended = await runRole(['serve'], {
      PCF_API__SERVER__PRT: '80',
      PCF_API__DATABASE__URL: 'mysql://me:hush@x/y',
    });
    assert.equal(ended.code, EXIT.config);
    assert.match(
      ended.terminationMessage,
      /server\.prt: unknown setting; did you mean PCF_API__SERVER__PORT\?/,
    );
    assert.match(ended.terminationMessage, /database\.url: expected a URL such as postgresql:/);
    assert.equal(ended.terminationMessage.split('\n').length, 1);
    assert.equal(ended.stderr.trim(), ended.terminationMessage);
    assert.doesNotMatch(ended.stderr, /hush/);
  });

  it('exits with an error that names the setting if the port is in use', async () => {
    const blocker = createServer();
    await new Promise<void>((resolve) => blocker.listen(0, '127.0.0.1', resolve));
    const { port } = blocker.address() as { port: number };
    const env = {
      PCF_API__DATABASE__URL: url,
      PCF_API__SERVER__PORT: `${port}`,
      PCF_API__SERVER__HOST: '127.0.0.1',
      PCF_API__METRICS__PORT: '0',
    };
    const ended = await runRole(['serve'], env);
    blocker.close();
    assert.equal(ended.code, EXIT.failure);
    assert.match(ended.terminationMessage, new RegExp(`:${port}: .*EADDRINUSE.*PCF_API__SERVER__PORT`));
  });

  it('exits with code 64 if arguments are invalid', async () => {
    assert.equal((await runRole(['migrate', 'sideways'])).code, EXIT.usage);
    assert.equal((await runRole(['srve'])).code, EXIT.usage);
    assert.equal((await runRole(['--help'])).code, EXIT.ok);
  });

  it('starts without a database, responds with 503, and becomes ready when the database is available', async () => {
    const own = await startPostgres();
    try {
      const there = await own.createDatabase();
      await migrate(there);
      await own.stop();
      const server = await start({ PCF_API__DATABASE__URL: there });
      assert.equal((await server.fetch('/health')).status, 200);
      assert.equal((await server.fetch('/health/startup')).status, 200);
      const ready = await server.fetch('/health/ready');
      assert.equal(ready.status, 503);
      await server.waitForReady(503);
      const answer = await server.graphql(SERVICES);
      assert.equal(answer.status, 503);
      assert.ok(Number(answer.headers.get('retry-after')) >= 1);
      assert.equal(answer.errors[0]?.extensions.code, 'SERVICE_UNAVAILABLE');
      assert.ok(answer.errors[0]?.extensions.requestId);
      await own.start();
      await server.waitForReady();
      assert.equal((await server.graphql(SERVICES)).status, 200);
    } finally {
      await removePostgres(own);
    }
  });

  it('reports why it is not ready without the address or the credentials of the database', async () => {
    const port = await freePort();
    const server = await start({ PCF_API__DATABASE__URL: `postgresql://me:hush@127.0.0.1:${port}/pcf` });
    await sleep(300);
    const body = await (await server.fetch('/health/ready')).text();
    assert.match(body, /"database":\{"status":"unavailable","since":"[^"]+","reason":"ECONNREFUSED"\}/);
    assert.doesNotMatch(body, new RegExp(`hush|${port}`));
    assert.doesNotMatch(server.output, /hush/);
  });

  for (const how of ['kill', 'stop'] as const) {
    it(`responds with 503 and Retry-After while PostgreSQL is ${how === 'kill' ? 'killed' : 'stopped'} under load, and recovers after its restart`, async () => {
      const own = await startPostgres();
      try {
        const there = await own.createDatabase();
        await migrate(there);
        const server = await start({ PCF_API__DATABASE__URL: there });
        await server.waitForReady();
        const made = await server.graphql('mutation { createService(input: { name: "web" }) { id } }');
        const writers = new Writers(server, made.data.createService.id);
        const load = new Load(server);
        await load.during(300);
        assert.deepEqual([...load.statuses.keys()], [200]);

        await own[how]();
        await load.during(1_000);
        await own.start();
        await server.waitForReady();
        load.statuses.clear();
        await load.during(500);
        await load.stop();
        await writers.stop();

        assert.ok(server.isRunning);
        assert.deepEqual([...load.statuses.keys()], [200], 'no request fails after the API is ready');
        assert.deepEqual([...load.allStatuses].sort(), [200, 503], 'no status other than 200 and 503');
        assert.deepEqual(load.problems, []);
        await writers.assertAllRecorded(own, there);
      } finally {
        await removePostgres(own);
      }
    });
  }

  it('serves requests while only the session of the database monitor is terminated', async () => {
    url = await migratedDatabase();
    const server = await start({ PCF_API__DATABASE__RETRY_INITIAL: '5s' });
    await server.waitForReady();
    const load = new Load(server);
    await load.during(200);
    for (let time = 0; time < 3; time += 1) {
      const ended = await shared.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE application_name = 'pcf-api monitor' AND datname = current_database()`,
        url,
      );
      assert.equal(ended.length, 1, 'the monitor has one session, a new one each time');
      assert.equal((await server.fetch('/health/ready')).status, 200);
      await load.during(500);
    }
    await load.stop();
    assert.deepEqual([...load.statuses.keys()], [200]);
    assert.ok((load.statuses.get(200) ?? 0) > 100);
  });

  it('serves requests while the database monitor cannot reconnect but the pool responds', async () => {
    url = await migratedDatabase();
    const server = await start();
    await server.waitForReady();
    // The pool opens several connections, which stay open. Identical reads at the same time would share one.
    const connections = async () => {
      const states = (await server.metrics()).matchAll(
        /^pcf_api_database_connections{server="primary",state="(?:busy|idle)"} (\d+)/gm,
      );
      return [...states].reduce((sum, [, count]) => sum + Number(count), 0);
    };
    await eventually('the pool has four connections', async () => {
      const pages = Array.from({ length: 8 }, (_, n) => `{ services(first: ${n + 1}) { totalCount } }`);
      await Promise.all(pages.map((page) => server.graphql(page)));
      return (await connections()) >= 4;
    });
    const name = new URL(url).pathname.slice(1);
    const admin = await shared.createDatabase();
    try {
      await shared.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`, admin);
      await shared.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE application_name = 'pcf-api monitor' AND datname = '${name}'`,
        admin,
      );
      for (let time = 0; time < 20; time += 1) {
        assert.equal((await server.graphql(SERVICES)).status, 200);
        await sleep(50);
      }
      assert.equal((await server.fetch('/health/ready')).status, 200);
    } finally {
      await shared.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`, admin);
    }
  });

  it('serves requests for other tables while a table is locked, and reports the cause for the locked table', async () => {
    url = await migratedDatabase();
    const server = await start({
      PCF_API__DATABASE__CONNECT_TIMEOUT: '1s',
      PCF_API__DATABASE__STATEMENT_TIMEOUT: '3s',
      PCF_API__DATABASE__MAX_CONNECTIONS: '9',
    });
    await server.waitForReady();
    const others = async () => {
      const mutation = 'mutation ($name: String!) { createEnvironment(input: { name: $name }) { id } }';
      const answers = await Promise.all([
        server.graphql('{ environments { totalCount } }'),
        server.graphql('{ deployments { totalCount } }'),
        server.graphql(mutation, { name: `e${performance.now()}`.replace('.', '-') }),
      ]);
      return answers.map(({ status, errors }) => [status, errors]);
    };
    const served = [
      [200, []],
      [200, []],
      [200, []],
    ];
    assert.deepEqual(await others(), served);
    const lock = await lockServices(url);
    const create = 'mutation ($name: String!) { createService(input: { name: $name }) { id } }';
    const blocked = Array.from({ length: 40 }, (_, n) =>
      n % 2 ? server.graphql(SERVICES) : server.graphql(create, { name: `s${n}` }),
    );
    await sleep(200);
    const startedAt = performance.now();
    for (let time = 0; performance.now() - startedAt < 2_500; time += 1) {
      assert.deepEqual(await others(), served, `time ${time}`);
    }
    assert.equal((await server.fetch('/health/ready')).status, 200);
    const answers = await Promise.all(blocked);
    await lock.release();
    const causes = new Set(
      answers.map(({ errors }) => `${errors[0]?.extensions.code}: ${errors[0]?.message}`),
    );
    assert.deepEqual(
      causes,
      new Set([
        'SERVICE_UNAVAILABLE: the database connection pool is exhausted; try again',
        'DEADLINE_EXCEEDED: the statement timeout of the database was exceeded',
      ]),
    );
    assert.equal((await server.graphql(SERVICES)).status, 200);
  });

  it('reports the database as unavailable after connect_timeout if no packet is answered', async () => {
    const sockets: Socket[] = [];
    const hole = createServer((socket) => sockets.push(socket));
    await new Promise<void>((resolve) => hole.listen(0, '127.0.0.1', resolve));
    const { port } = hole.address() as { port: number };
    const server = await start({
      PCF_API__DATABASE__URL: `postgresql://me:pw@127.0.0.1:${port}/pcf`,
      PCF_API__DATABASE__CONNECT_TIMEOUT: '200ms',
    });
    await sleep(600);
    assert.match(await (await server.fetch('/health/ready')).text(), /"status":"unavailable"/);
    for (const socket of sockets) socket.destroy();
    hole.close();
  });

  it('is not ready while the schema lacks an expand migration, and becomes ready after it is applied', async () => {
    const image = makeImage({
      '1795370000003-add-tier.js': migrationFile('AddTier1795370000003', [
        'ALTER TABLE services ADD COLUMN tier text',
      ]),
      '1795370000004-drop.js': migrationFile('Drop1795370000004', ['SELECT 1'], 'contract'),
    });
    url = await migratedDatabase();
    const server = await start({ PCF_API__DATABASE__PROBE_INTERVAL: '100ms' }, image);
    await sleep(500);
    const body = await (await server.fetch('/health/ready')).text();
    assert.match(body, /"status":"behind".*"reason":"missing migrations: AddTier1795370000003"/);
    assert.equal((await server.graphql(SERVICES)).status, 503);
    assert.equal((await runRole(['migrate', 'up'], { PCF_API__DATABASE__URL: url }, image)).code, EXIT.ok);
    await server.waitForReady();
    rmSync(image, { recursive: true, force: true });
  });

  it('SIGTERM: becomes unready immediately, serves requests during the delay, completes the slow request, exits with code 0', async () => {
    url = await migratedDatabase();
    const server = await start({ PCF_API__SHUTDOWN__DELAY: '600ms' });
    await server.waitForReady();
    const lock = await lockServices(url);
    const slow = server.graphql(SERVICES);
    await sleep(100);
    server.signal('SIGTERM');
    await server.waitForReady(503);
    const meanwhile = await server.graphql('{ __typename }');
    assert.equal(meanwhile.status, 200, 'still serves, because endpoints may not be updated yet');
    assert.equal(meanwhile.headers.get('connection'), 'close');
    await sleep(1_000);
    await assert.rejects(server.fetch('/health'), 'no new connection after the delay');
    assert.ok(server.isRunning);
    await lock.release();
    assert.equal((await slow).status, 200);
    const { code, stdout } = await server.ended;
    assert.equal(code, EXIT.ok);
    assert.match(stdout, /"msg":"shut down"/);
    assert.doesNotMatch(stdout, /did not close in time|closing failed/);
  });

  it('SIGTERM: aborts a request that is not finished at the deadline', async () => {
    url = await migratedDatabase();
    const server = await start({ PCF_API__SHUTDOWN__TIMEOUT: '300ms' });
    await server.waitForReady();
    const lock = await lockServices(url);
    const slow = server.graphql(SERVICES).catch(() => 'aborted');
    await sleep(100);
    server.signal('SIGTERM');
    assert.equal(await slow, 'aborted');
    await lock.release();
    assert.equal((await server.ended).code, EXIT.ok);
  });

  it('SIGTERM: exits immediately while the database is unavailable', async () => {
    const server = await start({
      PCF_API__DATABASE__URL: `postgresql://me@127.0.0.1:${await freePort()}/x`,
      PCF_API__DATABASE__RETRY_INITIAL: '30s',
      PCF_API__DATABASE__RETRY_MAX: '30s',
    });
    const startedAt = Date.now();
    server.signal('SIGTERM');
    assert.equal((await server.ended).code, EXIT.ok);
    assert.ok(Date.now() - startedAt < 2_000);
  });

  it('healthcheck: exits with code 0 while the API serves requests, otherwise with code 1', async () => {
    const server = await start();
    const env = {
      PCF_API__DATABASE__URL: url,
      PCF_API__SERVER__HOST: '0.0.0.0',
      PCF_API__SERVER__PORT: `${server.port}`,
    };
    assert.equal((await runRole(['healthcheck'], env)).code, EXIT.ok);
    await server.kill();
    const ended = await runRole(['healthcheck'], env);
    assert.equal(ended.code, EXIT.failure);
    assert.match(ended.stderr, /ECONNREFUSED/);
  });

  it('connections: reports each server of the settings, exits with 75 if one is unreachable, and prints no password', async () => {
    const env = { PCF_API__DATABASE__URL: url };
    const reached = await runRole(['connections', '--json'], env);
    assert.equal(reached.code, EXIT.ok, reached.stderr);
    const { connections } = connectionReportSchema.parse(JSON.parse(reached.stdout));
    assert.deepEqual(
      connections.map(({ name, ok }) => [name, ok]),
      [['database', true]],
    );
    const some = await runRole(['connections'], {
      PCF_API__DATABASE__URL: 'postgresql://pcf:sekret-12345@127.0.0.1:9/pcf',
      PCF_API__REDIS__URL: 'redis://:sekret-12345@127.0.0.1:9',
      PCF_API__TRACING__ENDPOINT: url.replace('postgresql', 'http'),
    });
    assert.equal(some.code, EXIT.tempFail);
    assert.match(some.stdout, /^fail {2}database at 127\.0\.0\.1:9: connect ECONNREFUSED/m);
    assert.match(some.stdout, /^fail {2}redis at 127\.0\.0\.1:9: connect ECONNREFUSED/m);
    assert.match(some.stdout, /^ok {4}tracing at \S+: \d+ ms$/m);
    assert.ok(!`${some.stdout}${some.stderr}`.includes('sekret'));
  });
});

/** Sends requests continuously and records their statuses. */
class Load {
  readonly statuses = new Map<number, number>();
  readonly allStatuses = new Set<number>();
  readonly problems: string[] = [];
  #running = true;
  readonly #clients: Promise<void>[];

  constructor(private readonly api: ApiProcess) {
    this.#clients = Array.from({ length: 4 }, () => this.#run());
  }

  during(ms: number): Promise<void> {
    return sleep(ms);
  }

  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#clients);
  }

  async #run(): Promise<void> {
    while (this.#running) {
      const { status, headers, text } = await this.api.graphql(SERVICES);
      this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1);
      this.allStatuses.add(status);
      if (status === 503 && !(Number(headers.get('retry-after')) >= 1))
        this.problems.push(`no Retry-After: ${text}`);
      if (status === 503 && !text.includes('SERVICE_UNAVAILABLE')) this.problems.push(text);
      await sleep(5);
    }
  }
}

/** Pipelines that record deployments and retry with the same idempotency key until they succeed. */
class Writers {
  readonly #acknowledged = new Map<string, string>();
  #retries = 0;
  #running = true;
  readonly #clients: Promise<void>[];

  constructor(
    private readonly api: ApiProcess,
    private readonly serviceId: string,
  ) {
    this.#clients = Array.from({ length: 3 }, (_, client) => this.#run(client));
  }

  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#clients);
  }

  /** Asserts that the database has exactly the acknowledged deployments, each once, with their events. */
  async assertAllRecorded(postgres: TestPostgres, url: string): Promise<void> {
    const rows = await postgres.query<{ id: string; key: string; events: number; audits: number }>(
      `SELECT id, idempotency_key AS key,
         (SELECT count(*)::int FROM domain_events e WHERE e.subject_id = d.id) AS events,
         (SELECT count(*)::int FROM audit_events a WHERE a.outcome = 'SUCCEEDED' AND a.input @> jsonb_build_object(
           'input', jsonb_build_object('idempotencyKey', d.idempotency_key))) AS audits
       FROM deployments d`,
      url,
    );
    assert.ok(
      this.#acknowledged.size >= 10,
      `only ${this.#acknowledged.size} were recorded, too few to compare`,
    );
    assert.ok(this.#retries > 0, 'no request failed during the outage');
    const there = rows.map(({ key, id }) => [key, toGlobalId('Deployment', id)] as const);
    assert.deepEqual(new Map([...there].sort()), new Map([...this.#acknowledged].sort()));
    assert.equal(there.length, this.#acknowledged.size, 'each deployment is recorded once');
    assert.ok(rows.every(({ events }) => events === 1));
    assert.ok(
      rows.every(({ audits }) => audits >= 1),
      'each deployment has an audit event',
    );
  }

  async #run(client: number): Promise<void> {
    for (let n = 0; this.#running; n += 1) await this.#record(`pipeline-${client}-${n}`);
  }

  async #record(idempotencyKey: string): Promise<void> {
    const input = { serviceId: this.serviceId, environment: 'production', version: '1', idempotencyKey };
    for (;;) {
      const { status, data, errors } = await this.api.graphql(
        'mutation ($input: RecordDeploymentInput!) { recordDeployment(input: $input) { id } }',
        { input },
      );
      if (status === 200 && errors.length === 0) {
        this.#acknowledged.set(idempotencyKey, data.recordDeployment.id);
        return;
      }
      assert.equal(status, 503, JSON.stringify(errors));
      this.#retries += 1;
      await sleep(20);
    }
  }
}

/** Locks the table of services: its queries block until the lock is released. */
async function lockServices(url: string): Promise<{ release(): Promise<void> }> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query('BEGIN');
  await client.query('LOCK TABLE services IN ACCESS EXCLUSIVE MODE');
  return { release: () => client.end() };
}
