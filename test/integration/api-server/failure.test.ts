import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT } from '../../../contract/image.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import {
  freePort,
  removePostgres,
  sharedPostgres,
  startPostgres,
  type TestPostgres,
} from '../../support/servers/postgres.js';
import { ApiProcess, makeImage, migrationFile, runRole } from './api-process.js';
import { Load, lockServices, SERVICES, Writers } from './load-during-failure.js';
import { migratedDatabase } from './migrated-database.js';

const FAST = { PCF_API__DATABASE__RETRY_INITIAL: '100ms', PCF_API__DATABASE__RETRY_MAX: '500ms' };

/** Body of /health/ready, once it contains the text. */
async function readiness(server: ApiProcess, text: string, timeoutMs?: number): Promise<string> {
  let body = '';
  const contains = async () => {
    body = await (await server.fetch('/health/ready')).text();
    return body.includes(text);
  };
  await eventually(`/health/ready contains ${text}`, contains, timeoutMs);
  return body;
}

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
    const body = await readiness(server, '"reason"');
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
        await load.responses(200, 50);
        assert.deepEqual([...load.statuses.keys()], [200]);

        await own[how]();
        await load.responses(503, 50);
        await own.start();
        await server.waitForReady();
        load.statuses.clear();
        await load.responses(200, 100);
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
    await load.responses(200, 20);
    for (let time = 0; time < 3; time += 1) {
      await eventually('the one session of the monitor is terminated', async () => {
        const ended = await shared.query(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
           WHERE application_name = 'pcf-api monitor' AND datname = current_database()`,
          url,
        );
        assert.ok(ended.length <= 1, 'the monitor has one session');
        return ended.length === 1;
      });
      assert.equal((await server.fetch('/health/ready')).status, 200);
      await load.responses(200, 100);
    }
    await load.stop();
    assert.deepEqual([...load.statuses.keys()], [200]);
    assert.ok((load.statuses.get(200) ?? 0) > 100);
  });

  it('serves requests while the database monitor cannot reconnect but the pool responds', async () => {
    url = await migratedDatabase();
    const server = await start();
    await server.waitForReady();
    // Different reads that wait for a lock open connections, which stay open. Identical reads would share one.
    const connections = async () => {
      const states = (await server.metrics()).matchAll(
        /^pcf_api_database_connections{server="primary",state="(?:busy|idle)"} (\d+)/gm,
      );
      return [...states].reduce((sum, [, count]) => sum + Number(count), 0);
    };
    const lock = await lockServices(url);
    const pages = [1, 2, 3, 4].map((first) => server.graphql(`{ services(first: ${first}) { totalCount } }`));
    await eventually('the pool has four connections', async () => (await connections()) >= 4);
    await lock.release();
    await Promise.all(pages);
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
    await readiness(server, '"status":"unavailable"', 3_000); // the default of connect_timeout is longer
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
    const body = await readiness(server, '"reason"');
    assert.match(body, /"status":"behind".*"reason":"missing migrations: AddTier1795370000003"/);
    assert.equal((await server.graphql(SERVICES)).status, 503);
    assert.equal((await runRole(['migrate', 'up'], { PCF_API__DATABASE__URL: url }, image)).code, EXIT.ok);
    await server.waitForReady();
    rmSync(image, { recursive: true, force: true });
  });
});
