import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { KubeConfig } from '@kubernetes/client-node';
import { type Logger, pino } from 'pino';
import { Registry } from 'prom-client';
import { Applier } from '../../../operator/runtime/apply.js';
import { Controller } from '../../../operator/runtime/controller.js';
import { isConflict, KubeClient, type KubeObject } from '../../../operator/runtime/kube-client.js';
import {
  type CacheOptions,
  type CacheTiming,
  defaultTiming,
  ResourceCache,
} from '../../../operator/runtime/resource-cache.js';
import { keyOf } from '../../../operator/runtime/store.js';
import { Sandbox } from '../../../sandbox/sandbox.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { START_TIMEOUT_MS } from '../../support/cluster/sandbox.js';
import { TcpProxy } from '../../support/servers/tcp-proxy.js';
import { requestsOf, silent, timing } from './cache-requests.js';
import { ConfigMapKind, NamespaceKind } from './runtime-objects.js';

const namespace = 'trouble';

describe('resource cache with disruptions of a real API server', () => {
  let sandbox: Sandbox;
  let client: KubeClient;
  let proxy: TcpProxy;
  let far: KubeClient;
  let stop: AbortController;
  let running: Promise<void>[];

  before(async function () {
    this.timeout(START_TIMEOUT_MS);
    sandbox = new Sandbox('.sandbox/test-api-trouble');
    sandbox.cleanUp();
    await sandbox.startCluster();
    client = sandbox.parts.client;
    await client.create(NamespaceKind, {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: namespace },
    });
  });
  after(() => sandbox?.stop());

  beforeEach(async () => {
    proxy = await TcpProxy.before(sandbox.parts.cluster.server);
    far = new KubeClient(through(proxy.url));
    stop = new AbortController();
    running = [];
  });
  afterEach(async () => {
    stop.abort();
    await Promise.all(running);
    await far.close();
    await proxy.close();
  });

  function through(server: string): KubeConfig {
    const config = new KubeConfig();
    config.loadFromString(sandbox.parts.kubeConfig.exportConfig());
    config.clusters = config.clusters.map((cluster) => ({ ...cluster, server }));
    return config;
  }

  function watch(
    options: CacheOptions,
    logger: Logger = silent,
    changed: Partial<CacheTiming> = {},
  ): ResourceCache {
    const given = { namespaces: [namespace], ...options };
    const cache = new ResourceCache(ConfigMapKind, far, logger, given, { ...timing, ...changed });
    running.push(cache.run(stop.signal));
    return cache;
  }

  const configMap = (name: string, suite: string, data: object = {}): KubeObject => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace, labels: { suite } },
    data,
  });
  const create = (name: string, suite: string) => client.create(ConfigMapKind, configMap(name, suite));
  const names = (cache: ResourceCache) =>
    cache
      .list()
      .map(({ metadata }) => metadata.name)
      .sort();

  it('lists again after 410 Gone, and emits DELETED for objects deleted in the meantime', async () => {
    const codes: number[] = [];
    const logger = pino(
      { level: 'debug' },
      { write: (text) => void codes.push(JSON.parse(text).err?.status) },
    );
    const cache = watch({ labelSelector: 'suite=gone' }, logger);
    await cache.synced;
    for (const name of ['goes', 'stays']) await create(name, 'gone');
    await eventually('the cache has both objects', () => names(cache).length === 2);
    const deleted: string[] = [];
    cache.on(({ type, object }) => type === 'DELETED' && deleted.push(object.metadata.name));
    proxy.cut();
    await client.delete(ConfigMapKind, namespace, 'goes');
    await create('comes', 'gone');
    // The watch cache of a new API server has no resource versions from before its start.
    await sandbox.parts.cluster.apiServer.kill();
    await sandbox.parts.cluster.restartApiServer();
    proxy.open();
    const requests = requestsOf(far);
    await eventually('the cache has caught up', () => names(cache).join() === 'comes,stays');
    assert.deepEqual(deleted, ['goes']);
    await sleep(1_000);
    assert.ok(requests.length <= 8, `an expired version is not requested repeatedly: ${requests.join()}`);
    assert.ok(codes.includes(410), `the watch received 410, in ${codes}`);
  });

  it('replaces a watch on a half-open connection, and reports its silence until then', async () => {
    const cache = watch({ labelSelector: 'suite=silent' });
    await cache.synced;
    await create('before', 'silent');
    await eventually('the cache has the object', () => names(cache).length === 1);
    proxy.muteOpenConnections();
    const from = performance.now();
    await create('after', 'silent');
    await eventually('silentForMs reports the silence', () => cache.silentForMs() > 1_500);
    assert.deepEqual(names(cache), ['before']);
    await eventually('the watch was replaced', () => names(cache).length === 2);
    assert.ok(performance.now() - from < timing.silenceMs + 2_000);
  });

  it('reconnects after an outage with one watch per cache, without a request storm', async () => {
    const { backoff } = defaultTiming;
    const suites = Array.from({ length: 15 }, (_, index) => `storm-${index}`);
    const caches = suites.map((suite) => watch({ labelSelector: `suite=${suite}` }, silent, { backoff }));
    await Promise.all(caches.map((cache) => cache.synced));
    const requests = requestsOf(far);
    const before = proxy.attempts;
    proxy.cut();
    await sleep(3_000);
    const [during, dialled] = [requests.length, proxy.attempts - before];
    assert.ok(during >= caches.length, `${during} requests`);
    assert.ok(during <= 5 * caches.length, `${during} requests of ${caches.length} caches in 3 s`);
    assert.ok(dialled <= 5 * caches.length, `${dialled} connections`);
    proxy.open();
    await Promise.all(suites.map((suite) => create(suite, suite)));
    await eventually('each cache has caught up', () => caches.every((cache) => names(cache).length === 1));
    await sleep(1_000);
    const after = requests.length - during;
    assert.ok(after <= 2 * caches.length, `${after} requests of ${caches.length} caches to reconnect`);
    assert.ok(proxy.connections <= caches.length + 2, `${proxy.connections} connections`);
  });

  it('resumes from a bookmark when there were no other events', async () => {
    const versions: string[] = [];
    const original = far.watch.bind(far);
    far.watch = (type, options, signal) => {
      if (options.resourceVersion) versions.push(options.resourceVersion);
      return original(type, options, signal);
    };
    // The API server sends a bookmark about two seconds before it ends a watch.
    const cache = watch({ labelSelector: 'suite=quiet' }, silent, { silenceMs: 30_000, watchSeconds: 5 });
    await cache.synced;
    const { metadata } = await create('elsewhere', 'another');
    await eventually('the watch has restarted', () => versions.length > 0, 20_000);
    assert.ok(
      Number(versions[0]) >= Number(metadata.resourceVersion),
      `the watch resumes from ${versions[0]}, before ${metadata.resourceVersion}`,
    );
  });

  it('retries after a conflict without losing a concurrent change', async () => {
    await create('contended', 'conflict');
    const cache = watch({ labelSelector: 'suite=conflict' });
    await cache.synced;
    let conflicts = 0;
    const controller = controllerFor(async () => {
      const known = cache.get(namespace, 'contended')!;
      // Another client writes first, once.
      if (conflicts === 0)
        await client.patch(ConfigMapKind, namespace, 'contended', { data: { theirs: '1' } });
      const { resourceVersion } = known.metadata;
      const patch = { metadata: { resourceVersion }, data: { ours: '1' } };
      await client.patch(ConfigMapKind, namespace, 'contended', patch).catch((error: unknown) => {
        if (isConflict(error)) conflicts += 1;
        throw error;
      });
      return {};
    });
    controller.queue.add('contended');
    controller.start();
    const data = async () => (await client.get(ConfigMapKind, namespace, 'contended')).data;
    await eventually(
      'the patch is applied',
      async () => JSON.stringify(await data())?.includes('ours') ?? false,
    );
    assert.deepEqual([await data(), conflicts > 0], [{ theirs: '1', ours: '1' }, true]);
    await controller.stop();
  });

  it('contains its own write while the watch is silent, and does not repeat the write', async () => {
    const cache = watch({ labelSelector: 'suite=own' }, silent, { silenceMs: 60_000 });
    await cache.synced;
    proxy.muteOpenConnections();
    const requests: string[] = [];
    const writer = new KubeClient(sandbox.parts.kubeConfig, { onRequest: (method) => requests.push(method) });
    const applier = new Applier(writer, {
      fieldManager: 'tester',
      annotation: 'example.com/hash',
      onWrite: (_type, written) => cache.noteWrite(written),
    });
    const apply = (value: string) =>
      applier.apply(ConfigMapKind, configMap('own', 'own', { value }), cache.get(namespace, 'own'));
    const outcomes = [];
    for (const value of ['1', '1', '2', '2']) outcomes.push((await apply(value)).outcome);
    assert.deepEqual(outcomes, ['created', 'unchanged', 'updated', 'unchanged']);
    assert.deepEqual(requests, ['PATCH', 'PATCH'], 'no requests between the writes');
    await writer.close();
  });

  it('does not take over an existing object that the caches do not contain', async () => {
    await create('taken', 'theirs');
    const applier = new Applier(client, { fieldManager: 'tester', annotation: 'example.com/hash' });
    const desired = configMap('taken', 'ours', { mine: 'all mine' });
    await assert.rejects(applier.apply(ConfigMapKind, desired, undefined), { name: 'ExistsError' });
    const live = await client.get(ConfigMapKind, namespace, 'taken');
    assert.deepEqual([live.metadata.labels, live.data], [{ suite: 'theirs' }, undefined]);
  });

  it('reconciles 200 objects within a second each while another object fails permanently', async () => {
    const cache = watch({ labelSelector: 'suite=many' });
    await cache.synced;
    const all = Array.from({ length: 200 }, (_, index) => `many-${index}`);
    await Promise.all([...all, 'bad'].map((name) => create(name, 'many')));
    await eventually('the cache has all objects', () => names(cache).length === 201);
    let failures = 0;
    const controller = controllerFor(async (key) => {
      const { metadata, data } = cache.get(namespace, key.split('/')[1]!)!;
      if (metadata.name === 'bad') {
        failures += 1;
        throw new Error('it is always so');
      }
      const { desired = '', done = '' } = (data ?? {}) as Record<string, string>;
      if (desired !== done)
        await client.patch(ConfigMapKind, namespace, metadata.name, { data: { done: desired } });
      return {};
    });
    const times: number[] = [];
    const started = new Map<string, number>();
    cache.on(({ object }) => {
      const { desired, done } = (object.data ?? {}) as Record<string, string>;
      const { name } = object.metadata;
      if (desired && desired === done) times.push(performance.now() - started.get(name)!);
      else controller.queue.add(keyOf(object));
    });
    controller.queue.add(`${namespace}/bad`);
    controller.start();
    for (const name of all) {
      started.set(name, performance.now());
      await client.patch(ConfigMapKind, namespace, name, { data: { desired: 'yes' } });
    }
    await eventually('all objects are reconciled', () => times.length >= 200);
    const slowest = Math.max(...times);
    assert.ok(slowest < 1_000, `the slowest of 200 took ${Math.round(slowest)} ms`);
    assert.ok(failures >= 3 && failures < 20, `the failing object was tried ${failures} times`);
    await controller.stop();
  });

  function controllerFor(reconcile: (key: string) => Promise<object>): Controller {
    return new Controller({ name: 'test', workers: 4, reconcile, logger: silent, registry: new Registry() });
  }
});
