import assert from 'node:assert/strict';
import { pino } from 'pino';
import { CacheSet } from '../../../operator/runtime/cache-set.js';
import { KubeClient, type ResourceType } from '../../../operator/runtime/kube-client.js';
import { type CacheTiming, defaultTiming } from '../../../operator/runtime/resource-cache.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { FakeApiServer } from '../../support/servers/fake-api-server.js';

const kind: ResourceType = {
  group: 'test',
  version: 'v1',
  kind: 'Thing',
  plural: 'things',
  namespaced: true,
};

describe('CacheSet', () => {
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

  it('silent() returns a kind without watch events for longer than the replacement of a watch takes, until it recovers', async () => {
    const backoff = { baseMs: 10, maxMs: 20, jitter: 0 };
    await start({ silenceMs: 150, backoff });
    server.sendBookmark();
    assert.deepEqual(set.silent(), []);
    // The open watch has no events, and the request of its replacement has no response.
    server.mode = 'hanging';
    server.muteWatches();
    const from = performance.now();
    await eventually('the kind is reported as silent', () => set.silent().join() === 'Thing');
    assert.ok(performance.now() - from >= 290, 'a single silent period is repaired and not reported');
    server.mode = 'up';
    await eventually('the kind is no longer reported', () => set.silent().length === 0);
  });

  it('silent() does not return a kind whose watch was replaced in time', async () => {
    await start({ silenceMs: 150, backoff: { baseMs: 10, maxMs: 20, jitter: 0 } });
    server.muteWatches();
    const reported = new Set<string>();
    await eventually('the watch was replaced', () => {
      for (const name of set.silent()) reported.add(name);
      return server.openWatches > 0;
    });
    assert.deepEqual([...reported], []);
  });

  it('requests watches with different random timeouts between 5 and 10 minutes', async () => {
    await start({ backoff: { baseMs: 1, maxMs: 1, jitter: 0 } });
    const seconds = () =>
      server.requests
        .filter(({ operation }) => operation === 'watch' || operation === 'watchList')
        .map(({ query }) => Number(query.get('timeoutSeconds')));
    await eventually('20 watches were requested', () => {
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
