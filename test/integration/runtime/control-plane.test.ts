import assert from 'node:assert/strict';
import { pino } from 'pino';
import { Applier } from '../../../operator/runtime/apply.js';
import { EventRecorder } from '../../../operator/runtime/events.js';
import { KubeClient, type KubeObject, type ResourceType } from '../../../operator/runtime/kube-client.js';
import { LeaderElector, NotLeaderError } from '../../../operator/runtime/leader-election.js';
import { type CacheOptions, defaultTiming, ResourceCache } from '../../../operator/runtime/resource-cache.js';
import { keyOf } from '../../../operator/runtime/store.js';
import { Sandbox } from '../../../sandbox/sandbox.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { START_TIMEOUT_MS } from '../../support/cluster/sandbox.js';
import {
  ConfigMapKind,
  CrdKind,
  configMap,
  DeploymentKind,
  deployment,
  EventKind,
  NamespaceKind,
  namespace,
  RouteKind,
  route,
  routeCrd,
  rule,
  ServiceKind,
  service,
} from './runtime-objects.js';

const logger = pino({ level: 'silent' });

describe('operator runtime on a real control plane', () => {
  let sandbox: Sandbox;
  let client: KubeClient;
  let requests: string[];
  const stop = new AbortController();
  const running: Promise<void>[] = [];

  before(async function () {
    this.timeout(START_TIMEOUT_MS);
    sandbox = new Sandbox('.sandbox/test-runtime');
    sandbox.cleanUp();
    await sandbox.startCluster();
    requests = [];
    client = new KubeClient(sandbox.parts.kubeConfig, {
      onRequest: (method, status) => requests.push(`${method} ${status}`),
    });
    await client.create(NamespaceKind, {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: namespace },
    });
  });

  after(async () => {
    stop.abort();
    await Promise.all(running);
    await client?.close();
    await sandbox?.stop();
  });

  function watch(type: ResourceType, options: CacheOptions = {}): ResourceCache {
    const timing = { ...defaultTiming, absentPollMs: 200, backoff: { baseMs: 50, maxMs: 500, jitter: 0.5 } };
    const cache = new ResourceCache(type, client, logger, { namespaces: [namespace], ...options }, timing);
    running.push(cache.run(stop.signal));
    return cache;
  }

  it('resource cache: loads objects with one request, and receives changes within 100 ms', async () => {
    const labels = { suite: 'stream' };
    for (let i = 0; i < 50; i++) await client.create(ConfigMapKind, configMap(`c-${i}`, {}, labels));
    requests.length = 0;
    const cache = watch(ConfigMapKind, { labelSelector: 'suite=stream' });
    await cache.synced;
    assert.equal(cache.list().length, 50);
    assert.deepEqual(requests, ['GET 200'], 'a WatchList needs no LIST');
    const receivedAt = new Promise<number>((resolve) => {
      cache.on(({ object }) => object.metadata.name === 'fresh' && resolve(performance.now()));
    });
    await client.create(ConfigMapKind, configMap('fresh', {}, labels));
    const answeredAt = performance.now();
    assert.ok((await receivedAt) - answeredAt < 100);
  });

  it('resource cache: contains only the objects of its configured namespaces', async () => {
    const namespaces = ['scope-a', 'scope-b', 'scope-c'];
    const object = (name: string, where: string): KubeObject => {
      const plain = configMap(name, {}, { suite: 'scope' });
      return { ...plain, metadata: { ...plain.metadata, namespace: where } };
    };
    for (const name of namespaces) {
      await client.create(NamespaceKind, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
      await client.create(ConfigMapKind, object('early', name));
    }
    const cache = watch(ConfigMapKind, { namespaces: ['scope-a', 'scope-b'], labelSelector: 'suite=scope' });
    await cache.synced;
    const keys = () => cache.list().map(keyOf).sort().join(' ');
    assert.equal(keys(), 'scope-a/early scope-b/early');
    for (const name of namespaces) await client.create(ConfigMapKind, object('late', name));
    await client.delete(ConfigMapKind, 'scope-a', 'early');
    await eventually(
      'changes in both namespaces are cached',
      () => keys() === 'scope-a/late scope-b/early scope-b/late',
    );
    cache.noteWrite({
      ...object('written', 'scope-c'),
      metadata: { ...object('x', 'scope-c').metadata, resourceVersion: '999999999' },
    });
    assert.equal(
      keys(),
      'scope-a/late scope-b/early scope-b/late',
      'a write in another namespace is ignored',
    );
  });

  it('resource cache: removes an object that no longer matches the label selector', async () => {
    const cache = watch(ConfigMapKind, { labelSelector: 'suite=label' });
    await cache.synced;
    await client.create(ConfigMapKind, configMap('labelled', {}, { suite: 'label' }));
    await eventually('the object is cached', () => cache.get(namespace, 'labelled') !== undefined);
    await client.patch(ConfigMapKind, namespace, 'labelled', { metadata: { labels: { suite: 'other' } } });
    await eventually('the object is removed', () => cache.get(namespace, 'labelled') === undefined);
  });

  it('resource cache: catches up with creations and deletions after the API server was killed', async () => {
    const cache = watch(ConfigMapKind, { labelSelector: 'suite=restart' });
    await cache.synced;
    for (const name of ['stays', 'goes']) {
      await client.create(ConfigMapKind, configMap(name, {}, { suite: 'restart' }));
    }
    await eventually('both objects are cached', () => cache.list().length === 2);
    const { apiServer } = sandbox.parts.cluster;
    await apiServer.kill();
    await sandbox.parts.cluster.restartApiServer();
    await client.delete(ConfigMapKind, namespace, 'goes');
    await client.create(ConfigMapKind, configMap('comes', {}, { suite: 'restart' }));
    await eventually('the cache has caught up', () => namesIn(cache) === 'comes stays', 10_000);
  }).timeout(60_000);

  it('resource cache: detects the installation and removal of a CRD', async () => {
    const cache = watch(RouteKind);
    await cache.synced;
    assert.equal(cache.available, false);
    await client.create(CrdKind, routeCrd());
    await eventually('the kind is available', () => cache.available, 10_000);
    await client.delete(CrdKind, undefined, routeCrd().metadata.name);
    await eventually('the kind is unavailable', () => !cache.available, 10_000);
    await client.create(CrdKind, routeCrd());
    await eventually('the kind is available again', () => cache.available, 10_000);
  }).timeout(40_000);

  describe('Applier', () => {
    const applier = () => new Applier(client, { fieldManager: 'tester', annotation: 'example.com/hash' });

    for (const [type, object] of [
      [DeploymentKind, deployment()],
      [ServiceKind, service()],
      [RouteKind, route()],
    ] as const) {
      it(`writes a ${type.kind} once, and sends no request without a change`, async () => {
        const cache = watch(type);
        assert.equal((await applier().apply(type, object, undefined)).outcome, 'created');
        const { name } = object.metadata;
        await eventually('the object is cached', () => cache.get(namespace, name) !== undefined);
        requests.length = 0;
        const result = await applier().apply(type, object, cache.get(namespace, name));
        assert.deepEqual([result.outcome, requests], ['unchanged', []]);
      });
    }

    const edits: [string, ResourceType, string, object, RegExp][] = [
      ['a changed number', DeploymentKind, 'api', { spec: { replicas: 7 } }, /^spec\.replicas$/],
      ['a changed list order', RouteKind, 'api', { spec: { http: [rule('b'), rule('a')] } }, /^spec\.http$/],
      [
        'a changed field in an atomic list',
        RouteKind,
        'api',
        { spec: { http: [{ ...rule('a'), fault: { delay: '1s' } }, rule('b')] } },
        /^spec\.http$/,
      ],
      [
        'changed ports',
        ServiceKind,
        'api',
        { spec: { ports: [{ port: 81, name: 'other' }] } },
        /^spec\.ports$/,
      ],
    ];
    for (const [what, type, name, patch, field] of edits) {
      it(`detects ${what} in a ${type.kind}, names the field manager, and restores the object`, async () => {
        const live = await client.patch(type, namespace, name, patch, { fieldManager: 'meddler' });
        const object = { Deployment: deployment, Service: service, Route: route }[type.kind]!();
        const result = await applier().apply(type, object, live);
        assert.equal(result.outcome, 'drifted');
        assert.ok(result.outcome === 'drifted' && result.manager === 'meddler', JSON.stringify(result));
        assert.match(result.fields.join(), field);
        const again = await applier().apply(type, object, await client.get(type, namespace, name));
        assert.equal(again.outcome, 'unchanged');
      });
    }

    it('does not change fields of other field managers', async () => {
      const live = await client.patch(
        DeploymentKind,
        namespace,
        'api',
        { metadata: { annotations: { theirs: 'yes' } }, spec: { minReadySeconds: 3 } },
        { fieldManager: 'meddler' },
      );
      assert.equal((await applier().apply(DeploymentKind, deployment(), live)).outcome, 'unchanged');
    });

    it('removes a field that is no longer desired', async () => {
      const live = await client.get(ServiceKind, namespace, 'api');
      const { sessionAffinity: _, ...spec } = service().spec as Record<string, unknown>;
      assert.equal((await applier().apply(ServiceKind, { ...service(), spec }, live)).outcome, 'updated');
      const now = await client.get(ServiceKind, namespace, 'api');
      assert.equal((now.spec as { sessionAffinity: string }).sessionAffinity, 'None');
    });
  });

  it('EventRecorder: records repeated events as a series', async () => {
    const recorder = new EventRecorder(client, 'example.com/tester', 'instance', logger);
    const regarding = await client.get(ConfigMapKind, namespace, 'fresh');
    const note = `${'ä'.repeat(2_000)}`;
    for (let i = 0; i < 5; i++) {
      recorder.record({ regarding, type: 'Warning', reason: 'Tested', action: 'Test', note });
    }
    await recorder.flush();
    const { items } = await client.list(EventKind, { namespace, fieldSelector: 'reason=Tested' });
    assert.equal(items.length, 1);
    assert.equal((items[0]!.series as { count: number }).count, 5);
  });

  it('LeaderElector: elects the next leader directly after a release, and otherwise after the lease expires', async () => {
    const timing = { leaseDurationMs: 2_000, renewDeadlineMs: 1_000, retryPeriodMs: 100 };
    const electorFor = (identity: string, kube: KubeClient) =>
      new LeaderElector(kube, { namespace, name: 'tester', identity, ...timing }, logger);
    const cutOff = new KubeClient(sandbox.parts.kubeConfig);
    const first = electorFor('first', cutOff);
    const second = electorFor('second', client);
    const third = electorFor('third', client);
    await first.acquire(stop.signal);
    const heldFirst = first.hold(stop.signal);
    const electedSecond = second.acquire(stop.signal);
    let both = false;
    const watchdog = setInterval(() => {
      both ||= first.isLeader() && second.isLeader();
    }, 1);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    assert.ok(first.isLeader(), 'the first leader renews its lease');
    await cutOff.close();
    await heldFirst;
    await electedSecond;
    clearInterval(watchdog);
    assert.equal(both, false);
    assert.throws(() => first.guard(), NotLeaderError);
    assert.ok(first.signal.aborted);
    const electedThird = third.acquire(stop.signal);
    const releasedAt = performance.now();
    await second.release();
    await electedThird;
    assert.ok(performance.now() - releasedAt < 1_000);
    await third.release();
  }).timeout(20_000);
});

function namesIn(cache: ResourceCache): string {
  return cache
    .list()
    .map(({ metadata }) => metadata.name)
    .sort()
    .join(' ');
}
