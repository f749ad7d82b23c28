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

  it('lists, watches, and gives every object its apiVersion and kind', async () => {
    await t.start();
    assert.deepEqual(t.names(), ['a', 'b']);
    assert.deepEqual(
      [t.cache.get('ns', 'a')?.apiVersion, t.cache.get('ns', 'a')?.kind],
      ['test/v1', 'Thing'],
    );
    t.server.put(thing('c'));
    t.server.put(thing('a', 1));
    t.server.remove('ns/b');
    await until('the deletion is seen', () => t.names().join() === 'a,c');
    assert.deepEqual(t.story(), ['ADDED a', 'ADDED b', 'ADDED c', 'MODIFIED a', 'DELETED b']);
    assert.equal(t.seen[3]!.old?.value, 0);
    assert.equal(t.server.count('list'), 1);
  });

  it('keeps indexes and the cut-down form up to date', async () => {
    await t.start();
    t.server.put({ ...thing('a', 1), secret: 'x' });
    await until('the change is seen', () => t.value('a') === 1);
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
    await until('both are seen', () => later.join() === 'c,d');
    assert.equal(t.watches(), 1);
  });

  it('reads events however they are cut into pieces', async () => {
    await t.start();
    const line = Buffer.from(`${JSON.stringify({ type: 'ADDED', object: named('ü', 900) })}\n\n`);
    for (const byte of line) {
      t.server.sendRaw(Buffer.from([byte]));
      await sleep(0);
    }
    await until('the object is seen', () => t.names().includes('ü'));
  });

  it('waits for a kind that is not installed, and empties itself when it goes', async () => {
    t.server.installed = false;
    await t.start();
    assert.equal(t.cache.available, false);
    const changes: boolean[] = [];
    t.cache.onAvailability(() => {
      throw new Error('a bug');
    });
    t.cache.onAvailability(() => changes.push(t.cache.available));
    t.server.installed = true;
    await until('it is installed', () => t.cache.available && t.names().join() === 'a,b');
    await until('it is watched', () => t.watches() > 0);
    t.server.installed = false;
    t.server.cutWatches();
    await until('it is removed', () => !t.cache.available);
    assert.deepEqual(t.names(), []);
    assert.deepEqual(t.story(), ['ADDED a', 'ADDED b', 'DELETED a', 'DELETED b']);
    t.server.installed = true;
    await until('it is installed again', () => t.cache.available);
    assert.deepEqual(changes, [true, false, true]);
  });

  describe('a write of ours', () => {
    beforeEach(() => t.start());

    it('is visible at once, and reported once', async () => {
      t.server.muteWatches();
      const written = t.server.put(thing('a', 7));
      t.cache.noteWrite(written);
      assert.equal(t.value('a'), 7);
      await until('the watch was replaced', () => t.watches() > 1);
      await sleep(50);
      assert.equal(t.story().filter((line) => line === 'MODIFIED a').length, 1);
    });

    it('does not bring back an object whose deletion was seen', async () => {
      const written = t.server.put(thing('c'));
      t.server.remove('ns/c');
      await until('the deletion is seen', () => t.story().includes('DELETED c'));
      t.cache.noteWrite(written);
      assert.ok(!t.names().includes('c'));
    });

    it('does not bring it back either while the cache has to list again', async () => {
      const written = t.server.put(thing('c'));
      t.server.remove('ns/c');
      await until('the deletion is seen', () => t.story().includes('DELETED c'));
      t.server.fail({ operation: 'list', status: 500 }, 2);
      t.server.compact();
      t.server.cutWatches();
      await until('it lists', () => t.server.count('list') > 1);
      t.cache.noteWrite(written);
      assert.ok(!t.names().includes('c'));
    });

    it('is not undone by older news of the object or of its forerunner', async () => {
      t.cache.noteWrite(named('a', 200, 'recreated'));
      t.server.remove('ns/a');
      t.server.put(thing('c'));
      await until('the stream went on', () => t.names().includes('c'));
      assert.equal(t.cache.get('ns', 'a')?.metadata.uid, 'recreated');
      // The deletion of the forerunner is told once, when its successor takes the place.
      assert.deepEqual(t.story().slice(2), ['DELETED a', 'ADDED a', 'ADDED c']);
    });

    it('outlives a list that was made before it', async () => {
      t.server.fail({ operation: 'watch', status: 410 });
      t.cache.noteWrite(named('new', 200));
      t.server.cutWatches();
      await until('it was listed again', () => t.server.count('list') > 1 && t.watches() > 2);
      assert.ok(t.names().includes('new'));
    });
  });
});
