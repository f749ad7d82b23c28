import assert from 'node:assert/strict';
import { isGone, KubeClient } from '../../../operator/runtime/kube-client.js';
import { listAll } from '../../../operator/runtime/list-all.js';
import { ResourceCache } from '../../../operator/runtime/resource-cache.js';
import { Sandbox } from '../../../sandbox/sandbox.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { START_TIMEOUT_MS } from '../../support/cluster/sandbox.js';
import { requestsOf, silent, timing } from './cache-requests.js';
import { ConfigMapKind, NamespaceKind } from './runtime-objects.js';

const namespace = 'trouble';

describe('resource cache with an API server without WatchList and with fast compaction', () => {
  let sandbox: Sandbox;
  let client: KubeClient;

  before(async function () {
    this.timeout(START_TIMEOUT_MS);
    sandbox = new Sandbox('.sandbox/test-watch-list-disabled');
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

  it('falls back to list and watch after WatchList is rejected once', async () => {
    const stop = new AbortController();
    const reader = new KubeClient(sandbox.parts.kubeConfig);
    const requests = requestsOf(reader);
    const cache = new ResourceCache(ConfigMapKind, reader, silent, { namespaces: [namespace] }, timing);
    await create('there');
    const running = cache.run(stop.signal);
    await cache.synced;
    assert.ok(cache.get(namespace, 'there'));
    await create('comes');
    await client.delete(ConfigMapKind, namespace, 'there');
    await eventually(
      'the cache has both changes',
      () => !cache.get(namespace, 'there') && !!cache.get(namespace, 'comes'),
    );
    assert.deepEqual(requests, ['watchList', 'list', 'watch']);
    await cache.renew();
    await eventually('the watch is open again', () => requests.length >= 5);
    assert.deepEqual(requests.slice(3), ['page', 'watch']);
    stop.abort();
    await running;
    await reader.close();
  });

  it('lists without pages when the continue token expires between two pages', async () => {
    const all = Array.from({ length: 600 }, (_, index) => `page-${index}`);
    for (let from = 0; from < all.length; from += 50)
      await Promise.all(all.slice(from, from + 50).map(create));
    const reader = new KubeClient(sandbox.parts.kubeConfig);
    const { list } = reader;
    // The pause between the pages lasts until the version of the first page is compacted.
    reader.list = async (type, options, signal) => {
      const token = options?.continue;
      if (token) await eventually('the token expires', () => isExpired(token), 30_000);
      return list.call(reader, type, options, signal);
    };
    const requests = requestsOf(reader);
    const { items } = await listAll(reader, ConfigMapKind, { namespace }, false, AbortSignal.timeout(40_000));
    assert.deepEqual(requests, ['page', 'page', 'list']);
    const listed = new Set(items.map(({ metadata }) => metadata.name));
    assert.equal(listed.size, items.length);
    assert.ok(all.every((name) => listed.has(name)));
    await reader.close();
  });

  /** Writes first, because compaction removes only versions before the newest. */
  async function isExpired(token: string): Promise<boolean> {
    await client.patch(ConfigMapKind, namespace, 'page-0', { data: { at: String(performance.now()) } });
    return client.list(ConfigMapKind, { namespace, limit: 1, continue: token }).then(() => false, isGone);
  }
});
