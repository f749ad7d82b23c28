import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type ClientRequest, request as httpRequest, type RequestOptions } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { request as httpsRequest } from 'node:https';
import { connect as connectTcp, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import pg from 'pg';
import { generate } from 'selfsigned';
import { WebSocket } from 'ws';
import { EXIT, PATHS } from '../../../contract/image.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { INSPECTED, liveHeapBytes } from '../../support/processes/live-heap.js';
import { ApiProcess, type Env, runRole } from './api-process.js';
import { migratedDatabase } from './migrated-database.js';

const IDLE_SOCKETS = 4_000;
const SERVICES = '{ services { totalCount edges { node { name } } } }';

describe('api-server HTTP', () => {
  let url: string;
  let folder: string;
  let api: ApiProcess | undefined;

  const start = async (env: Env = {}): Promise<ApiProcess> => {
    api = await ApiProcess.start({ PCF_API__DATABASE__URL: url, ...env });
    return api;
  };

  before(async () => {
    url = await migratedDatabase();
  });
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'pcf-test-http-'));
  });
  afterEach(async () => {
    await api?.kill();
    api = undefined;
    rmSync(folder, { recursive: true, force: true });
  });

  describe('TLS', () => {
    const files = () => ({ cert: join(folder, 'tls.crt'), key: join(folder, 'tls.key') });
    const env = (): Env => ({
      PCF_API__SERVER__TLS__CERT_FILE: files().cert,
      PCF_API__SERVER__TLS__KEY_FILE: files().key,
    });
    const write = async (name: string) => {
      const { cert, private: key } = await generate([{ name: 'commonName', value: name }], { keySize: 2048 });
      writeFileSync(files().cert, cert);
      writeFileSync(files().key, key);
    };
    const peerName = (port: number) =>
      new Promise<string>((resolve, reject) => {
        const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
          resolve(String(socket.getPeerCertificate().subject.CN));
          socket.destroy();
        });
        socket.once('error', reject);
      });

    it('serves HTTP/2 and HTTP/1.1 over TLS and rejects plain HTTP', async () => {
      await write('api.example.com');
      const server = await start(env());
      const session = connectHttp2(`https://127.0.0.1:${server.port}`, { rejectUnauthorized: false });
      const body = await new Promise<string>((resolve, reject) => {
        session.once('error', reject);
        const stream = session.request({
          ':method': 'POST',
          ':path': PATHS.graphql,
          'content-type': 'application/json',
        });
        let text = '';
        stream.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        stream.once('end', () => resolve(text));
        stream.end(JSON.stringify({ query: '{ __typename }' }));
      });
      session.close();
      assert.match(body, /"__typename":"Query"|database is unavailable/);
      const status = await new Promise((resolve, reject) => {
        const options = { rejectUnauthorized: false };
        httpsRequest(`https://127.0.0.1:${server.port}${PATHS.live}`, options, (response) => {
          response.resume();
          resolve(`${response.httpVersion} ${response.statusCode}`);
        })
          .once('error', reject)
          .end();
      });
      assert.equal(status, '1.1 200');
      await assert.rejects(server.fetch(PATHS.live), 'plain HTTP');
      const check = await runRole(['healthcheck'], {
        ...env(),
        PCF_API__DATABASE__URL: url,
        PCF_API__SERVER__PORT: `${server.port}`,
      });
      assert.equal(check.code, EXIT.ok, check.stderr);
    });

    it('accepts WebSockets over TLS and ignores upgrades to other protocols', async () => {
      await write('api.example.com');
      const server = await start(env());
      const socket = new WebSocket(`wss://127.0.0.1:${server.port}/graphql`, ['graphql-transport-ws'], {
        rejectUnauthorized: false,
      });
      await once(socket, 'open');
      socket.terminate();
      const request = httpsRequest({ ...upgradeOptions('h2c', server.port), rejectUnauthorized: false });
      assert.match(await readResponse(request), /^(200|503) 1\.1 /);
    });

    it('uses a changed certificate for new connections and keeps old connections open', async () => {
      await write('one.example.com');
      const server = await start(env());
      const session = connectHttp2(`https://127.0.0.1:${server.port}`, { rejectUnauthorized: false });
      await new Promise((resolve) => session.once('connect', resolve));
      assert.equal(await peerName(server.port), 'one.example.com');
      await write('two.example.com');
      await eventually(
        'new connections get the new certificate',
        async () => (await peerName(server.port)) === 'two.example.com',
      );
      const status = await new Promise((resolve, reject) => {
        session
          .request({ ':path': PATHS.live })
          .once('response', (headers) => resolve(headers[':status']))
          .once('error', reject);
      });
      assert.equal(status, 200);
      session.close();
      writeFileSync(files().cert, 'no certificate');
      await eventually('the invalid certificate is rejected', () =>
        /new TLS certificate is invalid/.test(server.output),
      );
      assert.equal(await peerName(server.port), 'two.example.com');
      assert.match(await server.metrics(), /pcf_api_tls_certificate_expiry_timestamp_seconds [1-9]/);
    });

    it('exits with code 78 and the reason if the key does not match the certificate', async () => {
      await write('one.example.com');
      const { private: other } = await generate([{ name: 'commonName', value: 'x' }], { keySize: 2048 });
      writeFileSync(files().key, other);
      const ended = await runRole(['serve'], { PCF_API__DATABASE__URL: url, ...env() });
      assert.equal(ended.code, EXIT.config);
      assert.match(ended.terminationMessage, /server\.tls: cannot be used: .*key/);
      const half = await runRole(['serve'], {
        PCF_API__DATABASE__URL: url,
        PCF_API__SERVER__TLS__CERT_FILE: files().cert,
      });
      assert.equal(half.code, EXIT.config);
      assert.match(half.terminationMessage, /server\.tls: expected both cert_file and key_file/);
    });

    it('SIGTERM: closes HTTP/2 sessions after their last response', async () => {
      await write('one.example.com');
      const server = await start({ ...env(), PCF_API__SHUTDOWN__TIMEOUT: '20s' });
      const session = connectHttp2(`https://127.0.0.1:${server.port}`, { rejectUnauthorized: false });
      await new Promise((resolve) => session.once('connect', resolve));
      const closed = new Promise((resolve) => session.once('close', resolve));
      server.signal('SIGTERM');
      await closed;
      const { code, ms, stdout } = await server.ended;
      assert.equal(code, EXIT.ok);
      assert.ok(ms < 15_000);
      assert.doesNotMatch(stdout, /aborting requests/);
    });
  });

  describe('multiple workers', () => {
    it('serve on one port, are restarted after a crash, and have aggregated metrics', async () => {
      const server = await start({ PCF_API__SERVER__WORKERS: '2', PCF_API__SHUTDOWN__DELAY: '0s' });
      const pids = () =>
        new Set(server.logs.filter(({ msg }) => msg === 'serving').map(({ pid }) => Number(pid)));
      const request = async () => {
        requests += 1;
        const answer = await server.graphql(SERVICES, {}, { connection: 'close' });
        assert.equal(answer.status, 200);
      };
      let requests = 0;
      await server.waitForReady();
      // From the first ready worker on: the other one must not receive a request before its database is ready.
      while (pids().size < 2 || requests < 40) await request();
      const done = () =>
        server
          .metrics()
          .then((text) =>
            Number(
              /http_request_duration_seconds_count\{method="POST",route="\/graphql",status="200"\} (\d+)/.exec(
                text,
              )?.[1],
            ),
          );
      await eventually('all requests are counted', async () => (await done()) === requests);
      assert.match(await server.metrics(), /pcf_api_workers 2/);

      const [victim] = [...pids()];
      process.kill(victim!, 'SIGKILL');
      await eventually('the exit is noticed', () =>
        server.logs.some(({ msg }) => /restarting/.test(String(msg))),
      );
      while (pids().size < 3) await request();
      for (let index = 0; index < 10; index += 1) await request();
      await eventually('two workers run', async () => /pcf_api_workers 2/.test(await server.metrics()));
      assert.match(await server.metrics(), /pcf_api_worker_restarts_total 1/);

      server.signal('SIGTERM');
      assert.equal((await server.ended).code, EXIT.ok);
      for (const pid of pids()) assert.throws(() => process.kill(pid, 0), 'a worker is still running');
    });

    it('share the connection budget: a pod runs and reports fewer workers if the budget is too small', async () => {
      const server = await start({
        PCF_API__SERVER__WORKERS: '4',
        PCF_API__DATABASE__MAX_CONNECTIONS: '5',
        PCF_API__SHUTDOWN__DELAY: '0s',
      });
      await server.waitForReady();
      assert.equal((await server.graphql(SERVICES)).status, 200);
      await eventually('two workers run', async () => /pcf_api_workers 2/.test(await server.metrics()));
      assert.match(await server.metrics(), /pcf_api_workers_configured 4/);
      const warning = server.logs.find(({ msg }) => /running fewer/.test(String(msg)));
      assert.deepEqual([warning?.workers, warning?.configured, warning?.maxConnections], [2, 4, 5]);
      server.signal('SIGTERM');
      assert.equal((await server.ended).code, EXIT.ok);
    });

    it('exit when their primary process is killed', async () => {
      const server = await start({ PCF_API__SERVER__WORKERS: '2' });
      await eventually(
        'both workers serve',
        () => server.logs.filter(({ msg }) => msg === 'serving').length === 2,
      );
      const pids = server.logs.filter(({ msg }) => msg === 'serving').map(({ pid }) => Number(pid));
      server.signal('SIGKILL');
      const isTerminated = (pid: number) => {
        try {
          process.kill(pid, 0);
          return false;
        } catch {
          return true;
        }
      };
      await eventually('the workers are terminated', () => pids.every(isTerminated));
    });
  });

  describe('overload protection', () => {
    it('rejects requests above the limit with 503 and Retry-After, but not probes or requests in flight', async () => {
      const server = await start({ PCF_API__SERVER__MAX_IN_FLIGHT: '3' });
      await server.waitForReady();
      const lock = new pg.Client({ connectionString: url });
      await lock.connect();
      await lock.query('BEGIN; LOCK TABLE services IN ACCESS EXCLUSIVE MODE');
      const slow = Array.from({ length: 3 }, () => server.graphql(SERVICES));
      await eventually('three requests are in flight', async () =>
        /http_requests_in_flight 3/.test(await server.metrics()),
      );
      const upgrading = httpRequest({ ...upgradeOptions('x', server.port), headers: { upgrade: 'x' } });
      assert.match(
        await readResponse(upgrading),
        /^503 /,
        'a request with an Upgrade header is rejected, too',
      );
      const startedAt = performance.now();
      const refused = await server.graphql('{ __typename }');
      assert.ok(performance.now() - startedAt < 500);
      assert.equal(refused.status, 503);
      assert.equal(refused.headers.get('retry-after'), '1');
      assert.equal(refused.errors[0]?.extensions.code, 'SERVICE_UNAVAILABLE');
      assert.equal((await server.fetch(PATHS.ready)).status, 200);
      await lock.end();
      assert.deepEqual(
        (await Promise.all(slow)).map(({ status }) => status),
        [200, 200, 200],
      );
      assert.equal((await server.graphql('{ __typename }')).status, 200);
      assert.match(await server.metrics(), /pcf_api_requests_shed_total\{cause="in flight"\} 2/);
    });

    it('responds in HTTP/1.1 to upgrades to an unsupported protocol', async () => {
      const server = await start();
      await server.waitForReady();
      for (const protocol of ['h2c', 'TLS/1.0', 'x, websocket']) {
        const answer = await readResponse(httpRequest(upgradeOptions(protocol, server.port)));
        assert.match(answer, /^200 1\.1 \{"data":\{"__typename":"Query"\}\}/, protocol);
      }
      const elsewhere = new WebSocket(`ws://127.0.0.1:${server.port}/health`);
      const [error] = (await once(elsewhere, 'error')) as [Error];
      assert.match(error.message, /404/);
    });

    it('disconnects clients that send slowly or nothing after the timeout', async () => {
      const server = await start({
        PCF_API__SERVER__HEADERS_TIMEOUT: '300ms',
        PCF_API__SERVER__RECEIVE_TIMEOUT: '600ms',
      });
      await server.waitForReady(); // without a database, no body is awaited
      const silent = await open(server.port);
      const slowHeaders = await open(server.port);
      slowHeaders.write('POST /graphql HTTP/1.1\r\nhost: localhost\r\n');
      const slowBody = await open(server.port);
      slowBody.write(
        'POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"q',
      );
      const startedAt = performance.now();
      const answers = await Promise.all([silent, slowHeaders, slowBody].map(readUntilClosed));
      assert.ok(performance.now() - startedAt < 5_000);
      for (const answer of answers) assert.match(answer, /^(HTTP\/1\.1 408 |$)/);
      assert.equal((await server.fetch(PATHS.live)).status, 200);
    });

    it('disconnects a client that sends requests but does not read responses', async () => {
      const server = await start({ PCF_API__SERVER__STALL_TIMEOUT: '500ms' });
      const socket = await open(server.port);
      socket.pause();
      let closed = false;
      socket
        .on('error', () => undefined)
        .once('close', () => {
          closed = true;
        });
      const requests = 'GET /health HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(1_000);
      await eventually('the connection is closed', () => {
        if (!closed && socket.writableLength < 2 ** 24) socket.write(requests);
        return closed;
      });
      assert.equal((await server.fetch(PATHS.live)).status, 200);
    });

    it('uses at most 100 MB for 4,000 idle sockets, without delay for other clients and without a leak', async () => {
      const server = await start({ PCF_API__SERVER__KEEP_ALIVE_TIMEOUT: '3s', ...INSPECTED });
      await server.waitForReady();
      for (let index = 0; index < 200; index += 1) await server.graphql(SERVICES);
      const residentMegabytes = async () =>
        Number(/process_resident_memory_bytes (\d+)/.exec(await server.metrics())?.[1]) / 2 ** 20;
      const before = await residentMegabytes();
      const live: number[] = [];
      for (let round = 0; round < 3; round += 1) {
        const sockets: Socket[] = [];
        while (sockets.length < IDLE_SOCKETS) {
          sockets.push(...(await Promise.all(Array.from({ length: 500 }, () => openKeepAlive(server.port)))));
        }
        const startedAt = performance.now();
        assert.equal((await server.graphql(SERVICES)).status, 200);
        assert.ok(performance.now() - startedAt < 1_000, 'other clients are served without delay');
        const cost = (await residentMegabytes()) - before;
        if (round === 0) assert.ok(cost < 100, `${Math.round(cost)} MB for ${IDLE_SOCKETS} sockets`);
        await Promise.all(sockets.map(readUntilClosed)); // the server closes them after the keep-alive timeout
        live.push((await liveHeapBytes(server)) / 2 ** 20);
      }
      // The first round adds permanent memory, such as compiled code. A leak would add memory in each round.
      const [first = 0, , third = 0] = live;
      assert.ok(third - first < 2, `${live.map((megabytes) => megabytes.toFixed(1)).join(', ')} MB in use`);
    });

    it('closes new sockets above the limit and serves the open ones', async () => {
      const server = await start({ PCF_API__SERVER__MAX_CONNECTIONS: '3' });
      const open3 = await Promise.all([
        openKeepAlive(server.port),
        openKeepAlive(server.port),
        openKeepAlive(server.port),
      ]);
      const fourth = await open(server.port);
      assert.equal(await readUntilClosed(fourth), '');
      open3[0]?.write('GET /health HTTP/1.1\r\nhost: x\r\n\r\n');
      await new Promise((resolve) => open3[0]?.once('data', resolve));
      for (const socket of open3) socket.destroy();
      await eventually(
        'a new connection is accepted',
        async () => (await server.fetch(PATHS.live).catch(() => ({ status: 0 }))).status === 200,
      );
    });
  });
});

/** Request options with the Upgrade header that Java's HttpClient sends. */
function upgradeOptions(protocol: string, port: number): RequestOptions {
  return {
    ...{ port, path: PATHS.graphql, method: 'POST' },
    headers: {
      connection: 'Upgrade, HTTP2-Settings',
      upgrade: protocol,
      'http2-settings': 'AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA',
      'content-type': 'application/json',
    },
  };
}

function readResponse(request: ClientRequest): Promise<string> {
  return new Promise((resolve, reject) => {
    request.once('error', reject).once('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.once('end', () => resolve(`${response.statusCode} ${response.httpVersion} ${text}`));
    });
    request.end(JSON.stringify({ query: '{ __typename }' }));
  });
}

function open(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp(port, '127.0.0.1', () => resolve(socket));
    socket.once('error', reject);
  });
}

/** Opens a connection, receives one response and leaves the connection open. */
async function openKeepAlive(port: number): Promise<Socket> {
  const socket = await open(port);
  socket.write('GET /health HTTP/1.1\r\nhost: x\r\n\r\n');
  await new Promise((resolve) => socket.once('data', resolve));
  return socket;
}

/** Returns the data received until the peer closes the connection. */
function readUntilClosed(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    socket.on('error', () => undefined);
    if (socket.closed) resolve(text);
    socket.once('close', () => resolve(text));
  });
}
