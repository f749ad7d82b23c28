import assert from 'node:assert/strict';
import { pino } from 'pino';
import { CacheSet } from '../../../operator/runtime/cache-set.js';
import { KubeClient, type ResourceType } from '../../../operator/runtime/kube-client.js';
import { type CacheTiming, defaultTiming } from '../../../operator/runtime/resource-cache.js';
import { FakeApiServer } from '../../support/fake-api-server.js';
import { eventually } from '../../support/pcf-api.js';

const kind: ResourceType = {
  group: 'test',
  version: 'v1',
  kind: 'Thing',
  plural: 'things',
  namespaced: true,
};

describe('the caches of a process', () => {
  let server: FakeApiServer;
  let client: KubeClient;
  let stop: AbortController;
  let set: CacheSet;

  async function start(timing: Partial<CacheTiming> = {}): Promise<void> {
    server = new FakeApiServer(kind);
    client = new KubeClient(await server.listen(), { timeoutMs: 200 });
    stop = new AbortController();
    set = new CacheSet(client, pino({ level: 'silent' }), { ...defaultTiming, ...timing });
    set.resource(kind);
    set.start(stop.signal);
    await set.synced();
    await eventually('the watch is open', () => server.openWatches > 0);
  }
  afterEach(async () => {
    stop.abort();
    await set.stopped();
    await client.close();
    await server.close();
  });

  it('name the kinds that were not heard of for longer than it takes to replace a watch, until they are again', async () => {
    const backoff = { baseMs: 10, maxMs: 20, jitter: 0 };
    await start({ silenceMs: 150, backoff });
    server.sendBookmark();
    assert.deepEqual(set.silent(), []);
    // Nothing comes through the watch that is open, nor an answer to the one that is to take its place.
    server.mode = 'hanging';
    server.muteWatches();
    const from = performance.now();
    await eventually('it is told', () => set.silent().join() === 'Thing');
    assert.ok(performance.now() - from >= 290, 'one silence alone is fixed, and not told');
    server.mode = 'up';
    await eventually('it is told no more', () => set.silent().length === 0);
  });

  it('say nothing of a watch whose silence was fixed in time', async () => {
    await start({ silenceMs: 150, backoff: { baseMs: 10, maxMs: 20, jitter: 0 } });
    server.muteWatches();
    const told = new Set<string>();
    await eventually('the watch was replaced', () => {
      for (const name of set.silent()) told.add(name);
      return server.openWatches > 0;
    });
    assert.deepEqual([...told], []);
  });

  it('ask for watches that end after 5 to 10 minutes, at a time of their own each', async () => {
    await start({ backoff: { baseMs: 1, maxMs: 1, jitter: 0 } });
    const seconds = () =>
      server.requests
        .filter(({ operation }) => operation === 'watch' || operation === 'watchList')
        .map(({ query }) => Number(query.get('timeoutSeconds')));
    await eventually('there were many', () => {
      server.cutWatches();
      return seconds().length >= 20;
    });
    assert.ok(
      seconds().every((each) => each >= 300 && each <= 600),
      seconds().join(),
    );
    assert.ok(new Set(seconds()).size > 10, seconds().join());
  });
});
