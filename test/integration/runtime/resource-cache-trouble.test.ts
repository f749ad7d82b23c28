import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { CacheUnderTest, thing, timing, until } from './cache-under-test.js';

describe('resource cache with disruptions of the API server', () => {
  let t: CacheUnderTest;

  beforeEach(async () => {
    t = await CacheUnderTest.create();
  });
  afterEach(() => t.stop());

  it('resumes from the last received version when the connection breaks', async () => {
    await t.start();
    t.server.put(thing('c'));
    await until('c is cached', () => t.names().length === 3);
    t.server.cutWatches();
    t.server.put(thing('d'));
    await until('d is cached', () => t.names().length === 4);
    assert.equal(t.server.count('list'), 1, 'no new list is needed');
    assert.equal(t.eventLines().filter((line) => line === 'ADDED c').length, 1);
  });

  for (const watchList of [false, true]) {
    it(`renew() reads changes that a silently broken watch missed (WatchList: ${watchList})`, async () => {
      t.server.watchList = watchList;
      await t.start();
      t.server.muteWatches();
      t.server.put(thing('a', 7));
      t.server.remove('ns/b');
      t.server.staleList = { version: 0, items: [] }; // a list from the API server's watch cache may return this
      const startedAt = performance.now();
      await Promise.all([t.cache.renew(), t.cache.renew()]);
      assert.ok(
        performance.now() - startedAt < timing.silenceMs / 2,
        'renew() does not wait for the silence timeout',
      );
      assert.deepEqual([t.value('a'), t.names()], [7, ['a']]);
      t.server.put(thing('c'));
      await until('the watch delivers events again', () => t.names().includes('c'));
    });
  }

  it('renew() interrupts the backoff before the next attempt', async () => {
    await t.start();
    t.server.mode = 'refusing';
    t.server.cutWatches();
    const failed = () => t.server.requests.length;
    await until('repeated failures have increased the backoff', () => failed() > 5);
    t.server.mode = 'up';
    t.server.put(thing('a', 7));
    const startedAt = performance.now();
    await t.cache.renew();
    assert.ok(performance.now() - startedAt < 100, `${performance.now() - startedAt} ms`);
    assert.equal(t.value('a'), 7);
  });

  it('renew() resolves when the cluster does not have the kind', async () => {
    t.server.installed = false;
    await t.start();
    await t.cache.renew();
    assert.deepEqual(t.names(), []);
  });

  for (const inStream of [false, true]) {
    it(`lists again on 410 ${inStream ? 'in the stream' : 'as a response'}, and emits deletions from the gap`, async () => {
      await t.start();
      t.server.fail({ operation: 'watch', status: 410, inStream });
      t.server.cutWatches();
      t.server.remove('ns/b');
      t.server.put(thing('c'));
      t.server.compact();
      await until('the cache has caught up', () => t.names().join() === 'a,c');
      assert.ok(t.eventLines().includes('DELETED b'));
      await sleep(600);
      assert.ok(t.server.count('list') <= 4, `${t.server.count('list')} lists`);
      t.server.put(thing('d'));
      await until('the watch delivers events again', () => t.names().includes('d'));
    });
  }

  it('backs off when every watch fails with 410', async () => {
    await t.start();
    t.server.fail({ operation: 'watch', status: 410, inStream: true }, 1_000);
    const before = t.server.requests.length;
    t.server.cutWatches();
    await sleep(1_000);
    const sent = t.server.requests.length - before;
    assert.ok(sent > 3 && sent < 22, `${sent} requests in a second`);
  });

  it('backs off when every watch ends directly after an event', async () => {
    await t.start();
    const cutter = setInterval(() => {
      t.server.sendBookmark();
      setImmediate(() => t.server.cutWatches());
    }, 2);
    const before = t.watches();
    await sleep(1_000);
    clearInterval(cutter);
    const opened = t.watches() - before;
    assert.ok(opened > 2 && opened < 14, `${opened} watches in a second`);
  });

  it('does not restore deleted objects from a stale list', async () => {
    await t.start();
    const items = t.cache.list();
    t.server.staleList = { version: 102, items };
    t.server.remove('ns/a');
    t.server.remove('ns/b');
    await until('all objects are removed', () => t.names().length === 0);
    t.events.length = 0;
    t.server.compact();
    t.server.cutWatches();
    await until('the cache has listed again', () => t.server.count('list') > 1);
    t.server.put(thing('c'));
    await until('c is cached', () => t.names().includes('c'));
    assert.deepEqual(t.eventLines(), ['ADDED c']);
  });

  it('recovers from 410 when the initial list was too old', async () => {
    t.server.staleList = { version: 50, items: [] };
    t.server.compact();
    await t.start();
    await until('the cache has listed from etcd', () => t.names().join() === 'a,b');
  });

  it('replaces an open watch that delivers no events', async () => {
    await t.start();
    t.server.muteWatches();
    t.server.put(thing('c'));
    await sleep(timing.silenceMs / 2);
    assert.ok(!t.names().includes('c'), 'the watch was mute');
    assert.ok(t.cache.silentForMs() >= timing.silenceMs / 2 - 20);
    await until('c is cached', () => t.names().includes('c'), 1_500);
    assert.equal(t.server.count('list'), 1);
  });

  it('keeps a watch that delivers only bookmarks', async () => {
    await t.start();
    for (let i = 0; i < 8; i++) {
      await sleep(timing.silenceMs / 3);
      t.server.sendBookmark();
    }
    assert.equal(t.watches(), 1);
  });

  it('respects Retry-After when the list after a gap fails with 429, and loses no change', async () => {
    await t.start();
    t.server.fail({ operation: 'list', status: 429, retryAfterSeconds: 1 });
    t.server.compact();
    t.server.cutWatches();
    t.server.remove('ns/a');
    t.server.put(thing('c'));
    const startedAt = performance.now();
    await sleep(500);
    assert.deepEqual(t.names(), ['a', 'b'], 'the cached objects remain until then');
    await until('the cache has caught up', () => t.names().join() === 'b,c');
    assert.ok(performance.now() - startedAt >= 950);
    assert.deepEqual(t.eventLines().slice(2).sort(), ['ADDED c', 'DELETED a']);
  });

  it('respects Retry-After when a watch fails with 429', async () => {
    await t.start();
    t.server.fail({ operation: 'watch', status: 429, retryAfterSeconds: 1 });
    t.server.cutWatches();
    await until('the watch was rejected', () => t.watches() === 2);
    await sleep(700);
    assert.equal(t.watches(), 2);
    await until('the watch is open again', () => t.watches() === 3);
  });

  it('backs off while the API server is unavailable, and then recovers', async () => {
    await t.start();
    const before = t.server.requests.length;
    t.server.mode = 'refusing';
    t.server.cutWatches();
    await sleep(1_500);
    const sent = t.server.requests.length - before;
    assert.ok(sent >= 3 && sent <= 14, `${sent} requests in 1.5 seconds`);
    assert.deepEqual(t.names(), ['a', 'b'], 'the cached objects remain until then');
    t.server.remove('ns/a');
    t.server.mode = 'up';
    await until('the cache has caught up', () => t.names().join() === 'b');
  });

  it('continues after a line that is not JSON', async () => {
    await t.start();
    t.server.sendRaw('{"type":"MODIFIED","object":{\n');
    t.server.put(thing('c'));
    await until('c is cached', () => t.names().includes('c'));
    t.server.sendRaw('<html>502</html>\n');
    t.server.put(thing('d'));
    await until('d is cached', () => t.names().includes('d'));
  });
});
