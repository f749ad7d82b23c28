import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { KubeObject } from '../../../operator/runtime/kube-client.js';
import { CacheUnderTest, named, thing, until } from './cache-under-test.js';

describe('resource cache with WatchList', () => {
  let t: CacheUnderTest;

  beforeEach(async () => {
    t = await CacheUnderTest.create({}, true);
  });
  afterEach(() => t.stop());

  it('receives the existing objects and later changes with one request', async () => {
    await t.start();
    assert.deepEqual(t.eventLines(), ['ADDED a', 'ADDED b']);
    t.server.put(thing('c'));
    t.server.remove('ns/a');
    await until('both changes are cached', () => t.names().join() === 'b,c');
    assert.equal(t.server.requests.length, 1);
  });

  it('resumes from the last version when the connection breaks', async () => {
    await t.start();
    t.server.cutWatches();
    t.server.put(thing('c'));
    await until('c is cached', () => t.names().includes('c'));
    assert.equal(t.server.count('watchList'), 1);
    assert.equal(t.server.count('list'), 0);
  });

  for (const inStream of [false, true]) {
    it(`restarts on 410 ${inStream ? 'in the stream' : 'as a response'}, and emits deletions from the gap`, async () => {
      await t.start();
      t.server.fail({ operation: 'watch', status: 410, inStream });
      t.server.cutWatches();
      t.server.remove('ns/b');
      t.server.put(thing('c'));
      await until('the cache has caught up', () => t.names().join() === 'a,c');
      assert.ok(t.eventLines().includes('DELETED b'));
    });
  }

  it('does not treat incomplete initial events as the full list', async () => {
    await t.start();
    t.server.fail({ operation: 'watch', status: 410 });
    t.server.cutInitialEvents = 1;
    t.server.cutWatches();
    await until('the initial events are complete', () => t.server.count('watchList') === 3);
    await sleep(50);
    assert.deepEqual(t.eventLines(), ['ADDED a', 'ADDED b'], 'b was not deleted');
  });

  it('loses no change when a restart fails with 429', async () => {
    await t.start();
    t.server.fail({ operation: 'watch', status: 410 });
    t.server.fail({ operation: 'watchList', status: 429, retryAfterSeconds: 0 }, 8);
    t.server.cutWatches();
    t.server.remove('ns/b');
    t.server.put(thing('c'));
    await until('the cache has caught up', () => t.names().join() === 'a,c', 10_000);
  });

  it('falls back to a list when the end of the initial events never arrives', async () => {
    t.server.cutInitialEvents = Number.POSITIVE_INFINITY;
    t.server.muteInitialEvents = true;
    await t.start();
    assert.deepEqual(t.names(), ['a', 'b']);
    assert.equal(t.server.count('list'), 1);
  });

  it('emits DELETED and ADDED when an object was recreated with the same name in a gap', async () => {
    await t.start();
    t.server.fail({ operation: 'watch', status: 410 });
    t.server.cutWatches();
    t.server.remove('ns/a');
    t.server.put(thing('a'));
    await until('both events are emitted', () => t.eventLines().length === 4);
    assert.deepEqual(t.eventLines().slice(2), ['DELETED a', 'ADDED a']);
  });

  it('accepts lower resource versions after a restore of etcd', async () => {
    await t.start();
    t.cache.noteWrite(named('lost', 5_000));
    const metadata = { name: '', resourceVersion: '6000' };
    t.server.sendRaw(`${JSON.stringify({ type: 'BOOKMARK', object: { metadata } })}\n`);
    await until('objects missing from the backup are removed', () => t.names().join() === 'a,b', 5_000);
    t.server.put(thing('a', 7));
    await until('changes with lower versions are cached', () => t.value('a') === 7);
  });

  it('does not treat a single 404 as the removal of a kind with cached objects', async () => {
    await t.start();
    t.server.fail({ operation: 'watch', status: 404 });
    t.server.cutWatches();
    await until('the watch is open again', () => t.watches() === 2 && t.server.openWatches > 0);
    assert.ok(t.cache.available);
    assert.deepEqual(t.eventLines(), ['ADDED a', 'ADDED b']);
  });
});

describe('resource cache with many objects', () => {
  it('lists in pages after a gap, and without pages when the continue token expires', async () => {
    const t = await CacheUnderTest.create();
    await t.start();
    for (let i = 0; i < 1_200; i++) t.server.put(thing(`thing-${i}`));
    t.server.expirePagesAfter = 500;
    t.server.fail({ operation: 'watch', status: 410 });
    t.server.cutWatches();
    await until('the cache has listed', () => t.server.count('list') === 5);
    await until('all objects are cached', () => t.names().length === 1_202);
    await t.stop();
  });

  it('continues when a transform throws', async () => {
    const t = await CacheUnderTest.create({
      transform: (object): KubeObject => {
        if (object.metadata.name === 'poison') throw new Error('a bug');
        return object;
      },
    });
    await t.start();
    t.server.put(thing('poison'));
    t.server.put(thing('c'));
    await until('c is cached', () => t.names().includes('c'));
    assert.equal(t.watches(), 1);
    await t.stop();
  });
});
