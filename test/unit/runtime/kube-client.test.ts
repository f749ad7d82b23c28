import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { KubeConfig } from '@kubernetes/client-node';
import {
  isConflict,
  isInvalid,
  KubeClient,
  type KubeClientOptions,
  type ResourceType,
} from '../../../operator/runtime/kube-client.js';
import { NotLeaderError } from '../../../operator/runtime/leader-election.js';
import { TokenBucket } from '../../../operator/runtime/rate-limiter.js';

const kind: ResourceType = {
  group: 'apps',
  version: 'v1',
  kind: 'Thing',
  plural: 'things',
  namespaced: true,
};
const object = { apiVersion: 'apps/v1', kind: 'Thing', metadata: { name: 'a', namespace: 'ns' } };

type Answer = { status: number; headers?: Record<string, string>; body?: object } | 'hang';

describe('KubeClient', () => {
  let server: Server;
  let requests: { line: string; type?: string; token?: string; body: string; at: number }[];
  let sockets: Set<unknown>;
  let answers: Answer[];
  const clients: KubeClient[] = [];

  beforeEach(async () => {
    requests = [];
    answers = [];
    sockets = new Set();
    server = createServer((request, response) => void serve(request, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.close()));
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method, url, headers } = request;
    sockets.add(request.socket);
    const body = (await request.toArray()).join('');
    requests.push({
      line: `${method} ${url}`,
      type: headers['content-type'],
      token: headers.authorization,
      body,
      at: performance.now(),
    });
    const answer = answers.shift() ?? { status: 200, body: object };
    if (answer === 'hang') return;
    response.writeHead(answer.status, answer.headers).end(JSON.stringify(answer.body ?? {}));
  }

  function connect(options: KubeClientOptions = {}, path = ''): KubeClient {
    const { port } = server.address() as AddressInfo;
    const kubeConfig = new KubeConfig();
    kubeConfig.loadFromClusterAndUser(
      { name: 'c', server: `http://127.0.0.1:${port}${path}`, skipTLSVerify: true },
      { name: 'u', token: 'secret' },
    );
    const client = new KubeClient(kubeConfig, options);
    clients.push(client);
    return client;
  }

  it('sends the paths, content types, token and preconditions that the Kubernetes API requires', async () => {
    const client = connect({}, '/behind/a/path/');
    await client.get(kind, 'ns', 'a');
    await client.apply(kind, object, { fieldManager: 'us', force: true });
    await client.applyStatus(kind, object, { fieldManager: 'us' });
    await client.patch(kind, 'ns', 'a', { spec: {} }, { subresource: 'status' });
    await client.delete(kind, 'ns', 'a', { uid: 'u1', propagationPolicy: 'Foreground' });
    const base = '/behind/a/path/apis/apps/v1/namespaces/ns/things/a';
    assert.deepEqual(
      requests.map(({ line, type }) => [line, type]),
      [
        [`GET ${base}`, undefined],
        [`PATCH ${base}?fieldManager=us&force=true`, 'application/apply-patch+yaml'],
        [`PATCH ${base}/status?fieldManager=us`, 'application/apply-patch+yaml'],
        [`PATCH ${base}/status`, 'application/merge-patch+json'],
        [`DELETE ${base}`, 'application/json'],
      ],
    );
    assert.equal(requests[0]!.token, 'Bearer secret');
    assert.deepEqual(JSON.parse(requests[4]!.body).preconditions, { uid: 'u1' });
  });

  it('throws errors with the status and reason of the response', async () => {
    answers = [{ status: 409, body: { reason: 'Conflict', message: 'changed meanwhile' } }];
    await assert.rejects(
      connect().replace(kind, object),
      (error: Error) => isConflict(error) && error.message === 'changed meanwhile',
    );
    answers = [{ status: 502 }];
    await assert.rejects(connect().get(kind, 'ns', 'a'), { status: 502, reason: 'Unknown' });
  });

  it('isInvalid is true for errors that a retry cannot resolve', async () => {
    const untyped = 'failed to create typed patch object (a/b): .spec.x: field not declared in schema';
    for (const [status, message, again] of [
      [422, 'spec.x: Invalid value', true],
      [400, 'admission webhook "x" denied the request', true],
      [500, untyped, true],
      [500, 'etcdserver: request timed out', false],
      [403, 'exceeded quota', false],
    ] as const) {
      answers = [{ status, body: { message } }];
      await assert.rejects(connect().get(kind, 'ns', 'a'), (error) => isInvalid(error) === again);
    }
  });

  it('retries a throttled request after the time in Retry-After', async () => {
    answers = [{ status: 429, headers: { 'retry-after': '1' } }];
    await connect().get(kind, 'ns', 'a');
    assert.equal(requests.length, 2);
    assert.ok(requests[1]!.at - requests[0]!.at >= 990);
  });

  it('fails after 6 throttled attempts, and immediately for a 429 without Retry-After', async () => {
    answers = Array.from({ length: 10 }, () => ({ status: 429, headers: { 'retry-after': '0' } }));
    await assert.rejects(connect().get(kind, 'ns', 'a'), { status: 429, retryAfterMs: 0 });
    assert.equal(requests.length, 6);
    answers = [{ status: 429 }];
    await assert.rejects(connect().get(kind, 'ns', 'a'), { status: 429 });
  });

  it('fails after the timeout when there is no response', async () => {
    answers = ['hang'];
    await assert.rejects(connect({ timeoutMs: 300 }).get(kind, 'ns', 'a'), /timeout/i);
  });

  it('sends no write without leadership, also not the retry of a throttled one', async () => {
    let isLeader = true;
    const guardWrite = () => {
      if (!isLeader) throw new NotLeaderError();
    };
    const client = connect({ guardWrite });
    answers = [{ status: 429, headers: { 'retry-after': '1' } }];
    const writing = assert.rejects(client.apply(kind, object, { fieldManager: 'us' }), NotLeaderError);
    await sleep(100);
    isLeader = false;
    await writing;
    await assert.rejects(client.delete(kind, 'ns', 'a'), NotLeaderError);
    assert.equal(requests.length, 1);
    await client.get(kind, 'ns', 'a');
  });

  it('aborts writes in progress when the lease is lost, but no reads', async () => {
    const term = new AbortController();
    const client = connect({ writeSignal: () => term.signal });
    answers = ['hang'];
    const writing = assert.rejects(client.apply(kind, object, { fieldManager: 'us' }), NotLeaderError);
    await sleep(50);
    term.abort(new NotLeaderError());
    await writing;
    await client.get(kind, 'ns', 'a');
  });

  it('reuses connections of concurrent requests', async () => {
    const client = connect();
    await Promise.all(Array.from({ length: 4 }, () => client.get(kind, 'ns', 'a')));
    const before = sockets.size;
    for (let i = 0; i < 10; i++) await client.get(kind, 'ns', 'a');
    assert.equal(sockets.size, before);
    assert.ok(before <= 4);
  });

  it('reloads its credentials after a 401', async () => {
    const { port } = server.address() as AddressInfo;
    const kubeConfig = new KubeConfig();
    const user = { name: 'u', token: 'old' };
    kubeConfig.loadFromClusterAndUser(
      { name: 'c', server: `http://127.0.0.1:${port}`, skipTLSVerify: true },
      user,
    );
    const client = new KubeClient(kubeConfig);
    clients.push(client);
    answers = [{ status: 401 }];
    const refused = client.get(kind, 'ns', 'a');
    user.token = 'new';
    await assert.rejects(refused, { status: 401 });
    await client.get(kind, 'ns', 'a');
    assert.equal(requests[1]!.token, 'Bearer new');
  });

  it('limits its request rate', async () => {
    const client = connect({ limiter: new TokenBucket(50, 100) });
    const startedAt = performance.now();
    await Promise.all(Array.from({ length: 120 }, () => client.get(kind, 'ns', 'a')));
    const tookMs = performance.now() - startedAt;
    assert.ok(tookMs >= 350 && tookMs < 1_500, `${tookMs} ms for 20 more than the burst of 100`);
  });

  it('calls onRequest with method and status of each request', async () => {
    const reported: string[] = [];
    const client = connect({ onRequest: (method, status) => reported.push(`${method} ${status}`) });
    answers = [{ status: 404 }];
    await client.get(kind, 'ns', 'a').catch(() => {});
    await client.apply(kind, object, { fieldManager: 'us' });
    assert.deepEqual(reported, ['GET 404', 'PATCH 200']);
  });
});
