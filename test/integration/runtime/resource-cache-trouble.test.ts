import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { CacheUnderTest, thing, timing, until } from './cache-under-test.js';

describe('resource cache in trouble', () => {
  let t: CacheUnderTest;

  beforeEach(async () => {
    t = await CacheUnderTest.create();
  });
  afterEach(() => t.stop());

  it('continues from the version it has seen when the connection breaks', async () => {
    await t.start();
    t.server.put(thing('c'));
    await until('c is seen', () => t.names().length === 3);
    t.server.cutWatches();
    t.server.put(thing('d'));
    await until('d is seen', () => t.names().length === 4);
    assert.equal(t.server.count('list'), 1, 'no new list is needed');
    assert.equal(t.story().filter((line) => line === 'ADDED c').length, 1);
  });

  for (const watchList of [false, true]) {
    it(`sees what a watch that died without a word hid, when it is renewed (WatchList: ${watchList})`, async () => {
      t.server.watchList = watchList;
      await t.start();
      t.server.muteWatches();
      t.server.put(thing('a', 7));
      t.server.remove('ns/b');
      t.server.staleList = { version: 0, items: [] }; // what a list from the API server's memory may say
      const askedAt = performance.now();
      await Promise.all([t.cache.renew(), t.cache.renew()]);
      assert.ok(performance.now() - askedAt < timing.silenceMs / 2, 'no silence is waited for');
      assert.deepEqual([t.value('a'), t.names()], [7, ['a']]);
      t.server.put(thing('c'));
      await until('the watch works again', () => t.names().includes('c'));
    });
  }

  it('is renewed at once though it waits before its next try', async () => {
    await t.start();
    t.server.mode = 'refusing';
    t.server.cutWatches();
    const failed = () => t.server.requests.length;
    await until('it has failed often enough to wait for long', () => failed() > 5);
    t.server.mode = 'up';
    t.server.put(thing('a', 7));
    const askedAt = performance.now();
    await t.cache.renew();
    assert.ok(performance.now() - askedAt < 100, `${performance.now() - askedAt} ms`);
    assert.equal(t.value('a'), 7);
  });

  it('is renewed without a kind that the cluster does not have', async () => {
    t.server.installed = false;
    await t.start();
    await t.cache.renew();
    assert.deepEqual(t.names(), []);
  });

  for (const inStream of [false, true]) {
    it(`lists again on 410 ${inStream ? 'in the stream' : 'as an answer'} and sees what was deleted in the gap`, async () => {
      await t.start();
      t.server.fail({ operation: 'watch', status: 410, inStream });
      t.server.cutWatches();
      t.server.remove('ns/b');
      t.server.put(thing('c'));
      t.server.compact();
      await until('the gap is closed', () => t.names().join() === 'a,c');
      assert.ok(t.story().includes('DELETED b'));
      await sleep(600);
      assert.ok(t.server.count('list') <= 4, `${t.server.count('list')} lists`);
      t.server.put(thing('d'));
      await until('the watch works again', () => t.names().includes('d'));
    });
  }

  it('does not spin when every watch is answered 410', async () => {
    await t.start();
    t.server.fail({ operation: 'watch', status: 410, inStream: true }, 1_000);
    const before = t.server.requests.length;
    t.server.cutWatches();
    await sleep(1_000);
    const sent = t.server.requests.length - before;
    assert.ok(sent > 3 && sent < 22, `${sent} requests in a second`);
  });

  it('does not spin when every watch ends right after an event', async () => {
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

  it('does not take back what was deleted from an API server that lags behind', async () => {
    await t.start();
    const items = t.cache.list();
    t.server.staleList = { version: 102, items };
    t.server.remove('ns/a');
    t.server.remove('ns/b');
    await until('all is gone', () => t.names().length === 0);
    t.seen.length = 0;
    t.server.compact();
    t.server.cutWatches();
    await until('it was listed again', () => t.server.count('list') > 1);
    t.server.put(thing('c'));
    await until('c is seen', () => t.names().includes('c'));
    assert.deepEqual(t.story(), ['ADDED c']);
  });

  it('gets out of a 410 for a list that was too old from the start', async () => {
    t.server.staleList = { version: 50, items: [] };
    t.server.compact();
    await t.start();
    await until('it was listed from the source', () => t.names().join() === 'a,b');
  });

  it('replaces a watch that is open and dead', async () => {
    await t.start();
    t.server.muteWatches();
    t.server.put(thing('c'));
    await sleep(timing.silenceMs / 2);
    assert.ok(!t.names().includes('c'), 'the watch was really mute');
    assert.ok(t.cache.silentForMs() >= timing.silenceMs / 2 - 20);
    await until('c is seen', () => t.names().includes('c'), 1_500);
    assert.equal(t.server.count('list'), 1);
  });

  it('keeps a watch that brings nothing but bookmarks', async () => {
    await t.start();
    for (let i = 0; i < 8; i++) {
      await sleep(timing.silenceMs / 3);
      t.server.sendBookmark();
    }
    assert.equal(t.watches(), 1);
  });

  it('loses nothing when the list after a gap is answered 429, and waits as long as it is asked to', async () => {
    await t.start();
    t.server.fail({ operation: 'list', status: 429, retryAfterSeconds: 1 });
    t.server.compact();
    t.server.cutWatches();
    t.server.remove('ns/a');
    t.server.put(thing('c'));
    const startedAt = performance.now();
    await sleep(500);
    assert.deepEqual(t.names(), ['a', 'b'], 'what is known stays meanwhile');
    await until('the gap is closed', () => t.names().join() === 'b,c');
    assert.ok(performance.now() - startedAt >= 950);
    assert.deepEqual(t.story().slice(2).sort(), ['ADDED c', 'DELETED a']);
  });

  it('waits as long as a watch answered 429 asks it to', async () => {
    await t.start();
    t.server.fail({ operation: 'watch', status: 429, retryAfterSeconds: 1 });
    t.server.cutWatches();
    await until('it was refused', () => t.watches() === 2);
    await sleep(700);
    assert.equal(t.watches(), 2);
    await until('it is back', () => t.watches() === 3);
  });

  it('backs off while the API server is away, and comes back', async () => {
    await t.start();
    const before = t.server.requests.length;
    t.server.mode = 'refusing';
    t.server.cutWatches();
    await sleep(1_500);
    const sent = t.server.requests.length - before;
    assert.ok(sent >= 3 && sent <= 14, `${sent} requests in 1.5 seconds`);
    assert.deepEqual(t.names(), ['a', 'b'], 'what is known stays meanwhile');
    t.server.remove('ns/a');
    t.server.mode = 'up';
    await until('it is back', () => t.names().join() === 'b');
  });

  it('continues after a line that is no JSON', async () => {
    await t.start();
    t.server.sendRaw('{"type":"MODIFIED","object":{\n');
    t.server.put(thing('c'));
    await until('c is seen', () => t.names().includes('c'));
    t.server.sendRaw('<html>502</html>\n');
    t.server.put(thing('d'));
    await until('d is seen', () => t.names().includes('d'));
  });
});
