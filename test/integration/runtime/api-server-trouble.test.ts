import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { KubeConfig } from '@kubernetes/client-node';
import { type Logger, pino } from 'pino';
import { Registry } from 'prom-client';
import { Applier } from '../../../operator/runtime/apply.js';
import { Controller } from '../../../operator/runtime/controller.js';
import {
  isConflict,
  isGone,
  KubeClient,
  type KubeObject,
  type ResourceType,
} from '../../../operator/runtime/kube-client.js';
import { listAll } from '../../../operator/runtime/list-all.js';
import {
  type CacheOptions,
  type CacheTiming,
  defaultTiming,
  ResourceCache,
} from '../../../operator/runtime/resource-cache.js';
import { keyOf } from '../../../operator/runtime/store.js';
import { Sandbox } from '../../../sandbox/sandbox.js';
import { eventually } from '../../support/pcf-api.js';
import { START_TIMEOUT_MS } from '../../support/sandbox.js';
import { TcpProxy } from '../../support/tcp-proxy.js';

const kind = (
  group: string,
  version: string,
  name: string,
  plural: string,
  namespaced = true,
): ResourceType => ({
  group,
  version,
  kind: name,
  plural,
  namespaced,
});
const ConfigMapKind = kind('', 'v1', 'ConfigMap', 'configmaps');
const NamespaceKind = kind('', 'v1', 'Namespace', 'namespaces', false);
const namespace = 'trouble';
const silent = pino({ level: 'silent' });
/** What a client asks for from now on to read a kind: `list`, `page`, `watch` or `watchList`. */
function requestsOf(client: KubeClient): string[] {
  const asked: string[] = [];
  const { watch, list } = client;
  client.watch = (type, options, signal) => {
    asked.push(options.sendInitialEvents ? 'watchList' : 'watch');
    return watch.call(client, type, options, signal);
  };
  client.list = (type, options, signal) => {
    asked.push(options?.limit ? 'page' : 'list');
    return list.call(client, type, options, signal);
  };
  return asked;
}

const timing: CacheTiming = {
  silenceMs: 2_000,
  absentPollMs: 200,
  backoff: { baseMs: 50, maxMs: 500, jitter: 0.5 },
};

describe('beside a real API server in trouble', function () {
  this.timeout(60_000);
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

  it('lists again after 410 Gone, and tells what was deleted meanwhile', async () => {
    const codes: number[] = [];
    const logger = pino(
      { level: 'debug' },
      { write: (text) => void codes.push(JSON.parse(text).err?.status) },
    );
    const cache = watch({ labelSelector: 'suite=gone' }, logger);
    await cache.synced;
    for (const name of ['goes', 'stays']) await create(name, 'gone');
    await eventually('both came', () => names(cache).length === 2);
    const deleted: string[] = [];
    cache.on(({ type, object }) => type === 'DELETED' && deleted.push(object.metadata.name));
    proxy.cut();
    await client.delete(ConfigMapKind, namespace, 'goes');
    await create('comes', 'gone');
    // A fresh API server knows nothing of the versions before its start.
    await sandbox.parts.cluster.apiServer.kill();
    await sandbox.parts.cluster.restartApiServer();
    proxy.open();
    const asked = requestsOf(far);
    await eventually('it caught up', () => names(cache).join() === 'comes,stays');
    assert.deepEqual(deleted, ['goes']);
    await sleep(1_000);
    assert.ok(asked.length <= 8, `a version that expired is not asked for again and again: ${asked.join()}`);
    assert.ok(codes.includes(410), `the watch was told 410, of ${codes}`);
  });

  it('replaces a watch whose line went dead without a word, and says meanwhile that it is silent', async () => {
    const cache = watch({ labelSelector: 'suite=silent' });
    await cache.synced;
    await create('before', 'silent');
    await eventually('it came', () => names(cache).length === 1);
    proxy.muteOpenConnections();
    const from = performance.now();
    await create('after', 'silent');
    await eventually('the silence shows', () => cache.silentForMs() > 1_500);
    assert.deepEqual(names(cache), ['before']);
    await eventually('the watch was replaced', () => names(cache).length === 2);
    assert.ok(performance.now() - from < timing.silenceMs + 2_000);
  });

  it('comes back from an outage with a watch each, and not with a storm', async () => {
    const { backoff } = defaultTiming;
    const suites = Array.from({ length: 15 }, (_, index) => `storm-${index}`);
    const caches = suites.map((suite) => watch({ labelSelector: `suite=${suite}` }, silent, { backoff }));
    await Promise.all(caches.map((cache) => cache.synced));
    const asked = requestsOf(far);
    const before = proxy.attempts;
    proxy.cut();
    await sleep(3_000);
    const [during, dialled] = [asked.length, proxy.attempts - before];
    assert.ok(during >= caches.length, `${during} requests`);
    assert.ok(during <= 5 * caches.length, `${during} requests of ${caches.length} caches in 3 s`);
    assert.ok(dialled <= 5 * caches.length, `${dialled} connections`);
    proxy.open();
    await Promise.all(suites.map((suite) => create(suite, suite)));
    await eventually('each has caught up', () => caches.every((cache) => names(cache).length === 1));
    await sleep(1_000);
    const after = asked.length - during;
    assert.ok(after <= 2 * caches.length, `${after} requests of ${caches.length} caches to come back`);
    assert.ok(proxy.connections <= caches.length + 2, `${proxy.connections} connections`);
  });

  it('continues from a bookmark where nothing else came', async () => {
    const asked: string[] = [];
    const original = far.watch.bind(far);
    far.watch = (type, options, signal) => {
      if (options.resourceVersion) asked.push(options.resourceVersion);
      return original(type, options, signal);
    };
    // The API server sends a bookmark about two seconds before it ends a watch.
    const cache = watch({ labelSelector: 'suite=quiet' }, silent, { silenceMs: 30_000, watchSeconds: 5 });
    await cache.synced;
    const { metadata } = await create('elsewhere', 'another');
    await eventually('the watch began again', () => asked.length > 0, 20_000);
    assert.ok(
      Number(asked[0]) >= Number(metadata.resourceVersion),
      `it continues from ${asked[0]}, ${metadata.resourceVersion} was long known`,
    );
  });

  it('is told of a conflict and gets over it, with nobody’s change lost', async () => {
    await create('contended', 'conflict');
    const cache = watch({ labelSelector: 'suite=conflict' });
    await cache.synced;
    let conflicts = 0;
    const controller = controllerFor(async () => {
      const known = cache.get(namespace, 'contended')!;
      // Somebody is faster, once.
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
    await eventually('it was written', async () => JSON.stringify(await data())?.includes('ours') ?? false);
    assert.deepEqual([await data(), conflicts > 0], [{ theirs: '1', ours: '1' }, true]);
    await controller.stop();
  });

  it('sees its own write though the watch brings nothing, and does not write it again', async () => {
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
    assert.deepEqual(requests, ['PATCH', 'PATCH'], 'and asked for nothing in between');
    await writer.close();
  });

  it('does not take over what exists and the caches do not have', async () => {
    await create('taken', 'theirs');
    const applier = new Applier(client, { fieldManager: 'tester', annotation: 'example.com/hash' });
    const desired = configMap('taken', 'ours', { mine: 'all mine' });
    await assert.rejects(applier.apply(ConfigMapKind, desired, undefined), { name: 'ExistsError' });
    const live = await client.get(ConfigMapKind, namespace, 'taken');
    assert.deepEqual([live.metadata.labels, live.data], [{ suite: 'theirs' }, undefined]);
  });

  it('keeps 200 objects fast while one fails for ever', async () => {
    const cache = watch({ labelSelector: 'suite=many' });
    await cache.synced;
    const all = Array.from({ length: 200 }, (_, index) => `many-${index}`);
    await Promise.all([...all, 'bad'].map((name) => create(name, 'many')));
    await eventually('they came', () => names(cache).length === 201);
    let failures = 0;
    const controller = controllerFor(async (key) => {
      const { metadata, data } = cache.get(namespace, key.split('/')[1]!)!;
      if (metadata.name === 'bad') {
        failures += 1;
        throw new Error('it is always so');
      }
      const { asked = '', done = '' } = (data ?? {}) as Record<string, string>;
      if (asked !== done)
        await client.patch(ConfigMapKind, namespace, metadata.name, { data: { done: asked } });
      return {};
    });
    const times: number[] = [];
    const started = new Map<string, number>();
    cache.on(({ object }) => {
      const { asked, done } = (object.data ?? {}) as Record<string, string>;
      const { name } = object.metadata;
      if (asked && asked === done) times.push(performance.now() - started.get(name)!);
      else controller.queue.add(keyOf(object));
    });
    controller.queue.add(`${namespace}/bad`);
    controller.start();
    for (const name of all) {
      started.set(name, performance.now());
      await client.patch(ConfigMapKind, namespace, name, { data: { asked: 'yes' } });
    }
    await eventually('all were done', () => times.length >= 200);
    const slowest = Math.max(...times);
    assert.ok(slowest < 1_000, `the slowest of 200 took ${Math.round(slowest)} ms`);
    assert.ok(failures >= 3 && failures < 20, `the bad one was tried ${failures} times`);
    await controller.stop();
  });

  function controllerFor(reconcile: (key: string) => Promise<object>): Controller {
    return new Controller({ name: 'test', workers: 4, reconcile, logger: silent, registry: new Registry() });
  }
});

describe('beside a real API server that streams no lists and forgets soon', function () {
  this.timeout(60_000);
  let sandbox: Sandbox;
  let client: KubeClient;

  before(async function () {
    this.timeout(START_TIMEOUT_MS);
    sandbox = new Sandbox('.sandbox/test-api-trouble');
    sandbox.cleanUp();
    await sandbox.startCluster(undefined, [
      '--feature-gates=WatchList=false',
      '--etcd-compaction-interval=1s',
    ]);
    client = sandbox.parts.client;
    const metadata = { name: namespace };
    await client.create(NamespaceKind, { apiVersion: 'v1', kind: 'Namespace', metadata });
  });
  after(() => sandbox?.stop());

  const create = (name: string) =>
    client.create(ConfigMapKind, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace } });

  it('lists and watches, having been refused once', async () => {
    const stop = new AbortController();
    const reader = new KubeClient(sandbox.parts.kubeConfig);
    const asked = requestsOf(reader);
    const cache = new ResourceCache(ConfigMapKind, reader, silent, { namespaces: [namespace] }, timing);
    await create('there');
    const running = cache.run(stop.signal);
    await cache.synced;
    assert.ok(cache.get(namespace, 'there'));
    await create('comes');
    await client.delete(ConfigMapKind, namespace, 'there');
    await eventually(
      'both are seen',
      () => !cache.get(namespace, 'there') && !!cache.get(namespace, 'comes'),
    );
    assert.deepEqual(asked, ['watchList', 'list', 'watch']);
    await cache.renew();
    await eventually('it watches again', () => asked.length >= 5);
    assert.deepEqual(asked.slice(3), ['page', 'watch']);
    stop.abort();
    await running;
    await reader.close();
  });

  it('reads in one piece what is forgotten between two pages', async () => {
    const all = Array.from({ length: 600 }, (_, index) => `page-${index}`);
    for (let from = 0; from < all.length; from += 50)
      await Promise.all(all.slice(from, from + 50).map(create));
    const reader = new KubeClient(sandbox.parts.kubeConfig);
    const { list } = reader;
    // Between the pages so much time passes that the API server has forgotten the version of the first.
    reader.list = async (type, options, signal) => {
      const token = options?.continue;
      if (token) await eventually('the token expires', () => isExpired(token), 30_000);
      return list.call(reader, type, options, signal);
    };
    const asked = requestsOf(reader);
    const { items } = await listAll(reader, ConfigMapKind, { namespace }, false, AbortSignal.timeout(40_000));
    assert.deepEqual(asked, ['page', 'page', 'list']);
    const listed = new Set(items.map(({ metadata }) => metadata.name));
    assert.equal(listed.size, items.length);
    assert.ok(all.every((name) => listed.has(name)));
    await reader.close();
  });

  /** Asked after a write: what is forgotten are versions before the newest. */
  async function isExpired(token: string): Promise<boolean> {
    await client.patch(ConfigMapKind, namespace, 'page-0', { data: { at: String(performance.now()) } });
    return client.list(ConfigMapKind, { namespace, limit: 1, continue: token }).then(() => false, isGone);
  }
});
