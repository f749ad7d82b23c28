import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectionReportSchema, EXIT } from '../../../contract/image.js';
import { freePort, sharedPostgres, type TestPostgres } from '../../support/servers/postgres.js';
import { ApiProcess, runRole } from './api-process.js';
import { lockServices, SERVICES } from './load-during-failure.js';
import { migratedDatabase } from './migrated-database.js';

const FAST = { PCF_API__DATABASE__RETRY_INITIAL: '100ms', PCF_API__DATABASE__RETRY_MAX: '500ms' };

describe('api-server process', () => {
  let shared: TestPostgres;
  let url: string;
  let api: ApiProcess | undefined;

  const start = async (env: Record<string, string> = {}, image?: string): Promise<ApiProcess> => {
    api = await ApiProcess.start({ PCF_API__DATABASE__URL: url, ...FAST, ...env }, image);
    return api;
  };

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
