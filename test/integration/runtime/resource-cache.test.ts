import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { KubeObject } from '../../../operator/runtime/kube-client.js';
import { CacheUnderTest, named, thing, until } from './cache-under-test.js';

describe('resource cache', () => {
  let t: CacheUnderTest;

  beforeEach(async () => {
    t = await CacheUnderTest.create({
      indexers: { value: ({ value }) => [String(value)] },
      transform: ({ secret: _secret, ...object }) => object as KubeObject,
    });
  });
  afterEach(() => t.stop());

  it('lists, watches, and sets apiVersion and kind on every object', async () => {
    await t.start();
    assert.deepEqual(t.names(), ['a', 'b']);
    assert.deepEqual(
      [t.cache.get('ns', 'a')?.apiVersion, t.cache.get('ns', 'a')?.kind],
      ['test/v1', 'Thing'],
    );
    t.server.put(thing('c'));
    t.server.put(thing('a', 1));
    t.server.remove('ns/b');
    await until('the deletion is cached', () => t.names().join() === 'a,c');
    assert.deepEqual(t.eventLines(), ['ADDED a', 'ADDED b', 'ADDED c', 'MODIFIED a', 'DELETED b']);
    assert.equal(t.events[3]!.old?.value, 0);
    assert.equal(t.server.count('list'), 1);
  });

  it('updates indexes and transformed objects', async () => {
    await t.start();
    t.server.put({ ...thing('a', 1), secret: 'x' });
    await until('the change is cached', () => t.value('a') === 1);
    assert.deepEqual(t.under('value', '1'), ['a']);
    assert.deepEqual(t.under('value', '0'), ['b']);
    assert.equal(t.cache.get('ns', 'a')?.secret, undefined);
  });

  it('continues when a handler throws', async () => {
    await t.start();
    const later: string[] = [];
    t.cache.on(() => {
      throw new Error('a bug');
    });
    t.cache.on(({ object }) => later.push(object.metadata.name));
    t.server.put(thing('c'));
    t.server.put(thing('d'));
    await until('both changes are handled', () => later.join() === 'c,d');
    assert.equal(t.watches(), 1);
  });

  it('parses events that arrive in arbitrary chunks', async () => {
    await t.stop();
    // The event is sent once, so the cache must not renew a watch that seems to be silent on a slow machine.
    t = await CacheUnderTest.create({}, false, { silenceMs: 600_000, initialSilenceMs: 600_000 });
    await t.start();
    const line = Buffer.from(`${JSON.stringify({ type: 'ADDED', object: named('ü', 900) })}\n\n`);
    for (const byte of line) {
      t.server.sendRaw(Buffer.from([byte]));
      await sleep(0);
    }
    await until('the object is cached', () => t.names().includes('ü'));
  });

  it('polls for a kind that is not installed, and removes its objects when the kind is removed', async () => {
    t.server.installed = false;
    await t.start();
    assert.equal(t.cache.available, false);
    const changes: boolean[] = [];
    t.cache.onAvailability(() => {
      throw new Error('a bug');
    });
    t.cache.onAvailability(() => changes.push(t.cache.available));
    t.server.installed = true;
    await until('the kind is installed', () => t.cache.available && t.names().join() === 'a,b');
    await until('the kind is watched', () => t.watches() > 0);
    t.server.installed = false;
    t.server.cutWatches();
    await until('the kind is removed', () => !t.cache.available);
    assert.deepEqual(t.names(), []);
    assert.deepEqual(t.eventLines(), ['ADDED a', 'ADDED b', 'DELETED a', 'DELETED b']);
    t.server.installed = true;
    await until('the kind is installed again', () => t.cache.available);
    assert.deepEqual(changes, [true, false, true]);
  });

  describe('noteWrite', () => {
    beforeEach(() => t.start());

    it('makes a write visible immediately, and emits one event for it', async () => {
      t.server.muteWatches();
      const written = t.server.put(thing('a', 7));
      t.cache.noteWrite(written);
      assert.equal(t.value('a'), 7);
      await until('the watch was replaced', () => t.watches() > 1);
      await sleep(50);
      assert.equal(t.eventLines().filter((line) => line === 'MODIFIED a').length, 1);
    });

    it('does not restore an object whose deletion was received', async () => {
      const written = t.server.put(thing('c'));
      t.server.remove('ns/c');
      await until('the deletion is cached', () => t.eventLines().includes('DELETED c'));
      t.cache.noteWrite(written);
      assert.ok(!t.names().includes('c'));
    });

    it('does not restore a deleted object while the cache lists again', async () => {
      const written = t.server.put(thing('c'));
      t.server.remove('ns/c');
      await until('the deletion is cached', () => t.eventLines().includes('DELETED c'));
      t.server.fail({ operation: 'list', status: 500 }, 2);
      t.server.compact();
      t.server.cutWatches();
      await until('the cache lists again', () => t.server.count('list') > 1);
      t.cache.noteWrite(written);
      assert.ok(!t.names().includes('c'));
    });

    it('is not reverted by older events of the object or of its predecessor', async () => {
      t.cache.noteWrite(named('a', 200, 'recreated'));
      t.server.remove('ns/a');
      t.server.put(thing('c'));
      await until('the stream continues', () => t.names().includes('c'));
      assert.equal(t.cache.get('ns', 'a')?.metadata.uid, 'recreated');
      // The deletion of the predecessor is emitted once, when its successor replaces it.
      assert.deepEqual(t.eventLines().slice(2), ['DELETED a', 'ADDED a', 'ADDED c']);
    });

    it('is not reverted by a list from before the write', async () => {
      t.server.fail({ operation: 'watch', status: 410 });
      t.cache.noteWrite(named('new', 200));
      t.server.cutWatches();
      await until('the cache has listed again', () => t.server.count('list') > 1 && t.watches() > 2);
      assert.ok(t.names().includes('new'));
    });
  });
});
