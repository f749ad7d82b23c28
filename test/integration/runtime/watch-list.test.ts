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

  it('gets what there is and what happens then with one request', async () => {
    await t.start();
    assert.deepEqual(t.story(), ['ADDED a', 'ADDED b']);
    t.server.put(thing('c'));
    t.server.remove('ns/a');
    await until('both are seen', () => t.names().join() === 'b,c');
    assert.equal(t.server.requests.length, 1);
  });

  it('continues from the last version when the connection breaks', async () => {
    await t.start();
    t.server.cutWatches();
    t.server.put(thing('c'));
    await until('c is seen', () => t.names().includes('c'));
    assert.equal(t.server.count('watchList'), 1);
    assert.equal(t.server.count('list'), 0);
  });

  for (const inStream of [false, true]) {
    it(`starts over on 410 ${inStream ? 'in the stream' : 'as an answer'} and sees what was deleted in the gap`, async () => {
      await t.start();
      t.server.fail({ operation: 'watch', status: 410, inStream });
      t.server.cutWatches();
      t.server.remove('ns/b');
      t.server.put(thing('c'));
      await until('the gap is closed', () => t.names().join() === 'a,c');
      assert.ok(t.story().includes('DELETED b'));
    });
  }

  it('takes no part of the initial events for the whole', async () => {
    await t.start();
    t.server.fail({ operation: 'watch', status: 410 });
    t.server.cutInitialEvents = 1;
    t.server.cutWatches();
    await until('it was streamed in full', () => t.server.count('watchList') === 3);
    await sleep(50);
    assert.deepEqual(t.story(), ['ADDED a', 'ADDED b'], 'b was not taken for deleted');
  });

  it('loses nothing when it has to start over and is answered 429', async () => {
    await t.start();
    t.server.fail({ operation: 'watch', status: 410 });
    t.server.fail({ operation: 'watchList', status: 429, retryAfterSeconds: 0 }, 8);
    t.server.cutWatches();
    t.server.remove('ns/b');
    t.server.put(thing('c'));
    await until('the gap is closed', () => t.names().join() === 'a,c', 10_000);
  });

  it('lists where the end of the initial events never comes', async () => {
    t.server.cutInitialEvents = Number.POSITIVE_INFINITY;
    t.server.muteInitialEvents = true;
    await t.start();
    assert.deepEqual(t.names(), ['a', 'b']);
    assert.equal(t.server.count('list'), 1);
  });

  it('tells a deletion and a creation when a namesake took the place in a gap', async () => {
    await t.start();
    t.server.fail({ operation: 'watch', status: 410 });
    t.server.cutWatches();
    t.server.remove('ns/a');
    t.server.put(thing('a'));
    await until('both are told', () => t.story().length === 4);
    assert.deepEqual(t.story().slice(2), ['DELETED a', 'ADDED a']);
  });

  it('believes the API server when its versions went back: etcd was restored', async () => {
    await t.start();
    t.cache.noteWrite(named('lost', 5_000));
    const metadata = { name: '', resourceVersion: '6000' };
    t.server.sendRaw(`${JSON.stringify({ type: 'BOOKMARK', object: { metadata } })}\n`);
    await until('what the backup did not have is gone', () => t.names().join() === 'a,b', 5_000);
    t.server.put(thing('a', 7));
    await until('changes are seen, whatever their versions', () => t.value('a') === 7);
  });

  it('does not believe a single 404 about a kind whose objects it holds', async () => {
    await t.start();
    t.server.fail({ operation: 'watch', status: 404 });
    t.server.cutWatches();
    await until('it watches again', () => t.watches() === 2 && t.server.openWatches > 0);
    assert.ok(t.cache.available);
    assert.deepEqual(t.story(), ['ADDED a', 'ADDED b']);
  });
});

describe('resource cache with much to list', () => {
  it('lists page by page after a gap, and in one piece when the pages expire', async () => {
    const t = await CacheUnderTest.create();
    await t.start();
    for (let i = 0; i < 1_200; i++) t.server.put(thing(`thing-${i}`));
    t.server.expirePagesAfter = 500;
    t.server.fail({ operation: 'watch', status: 410 });
    t.server.cutWatches();
    await until('it was listed', () => t.server.count('list') === 5);
    await until('all is there', () => t.names().length === 1_202);
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
    await until('c is seen', () => t.names().includes('c'));
    assert.equal(t.watches(), 1);
    await t.stop();
  });
});
