import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import type { Socket } from 'node:net';
import pg from 'pg';
import { WebSocket } from 'ws';
import { PATHS } from '../../../contract/image.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { INSPECTED, liveHeapBytes } from '../../support/processes/live-heap.js';
import { useApiPerTest } from './api-per-test.js';
import { open, openKeepAlive, readResponse, readUntilClosed, upgradeOptions } from './http-sockets.js';

const IDLE_SOCKETS = 4_000;
const SERVICES = '{ services { totalCount edges { node { name } } } }';

describe('api-server HTTP overload protection', () => {
  const apis = useApiPerTest();

  it('rejects requests above the limit with 503 and Retry-After, but not probes or requests in flight', async () => {
    const server = await apis.start({ PCF_API__SERVER__MAX_IN_FLIGHT: '3' });
    await server.waitForReady();
    const lock = new pg.Client({ connectionString: apis.url });
    await lock.connect();
    await lock.query('BEGIN; LOCK TABLE services IN ACCESS EXCLUSIVE MODE');
    const slow = Array.from({ length: 3 }, () => server.graphql(SERVICES));
    await eventually('three requests are in flight', async () =>
      /http_requests_in_flight 3/.test(await server.metrics()),
    );
    const upgrading = httpRequest({ ...upgradeOptions('x', server.port), headers: { upgrade: 'x' } });
    assert.match(await readResponse(upgrading), /^503 /, 'a request with an Upgrade header is rejected, too');
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
    const server = await apis.start();
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
    const server = await apis.start({
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
    const server = await apis.start({ PCF_API__SERVER__STALL_TIMEOUT: '500ms' });
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
    const server = await apis.start({ PCF_API__SERVER__KEEP_ALIVE_TIMEOUT: '3s', ...INSPECTED });
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
    const server = await apis.start({ PCF_API__SERVER__MAX_CONNECTIONS: '3' });
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
