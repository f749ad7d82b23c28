import assert from 'node:assert/strict';
import fc from 'fast-check';
import { quotaOf, shardOf } from '../../../operator/runtime/sharding.js';

describe('shardOf', () => {
  it('never changes, because replicas of two versions must agree on the owner of a key', () => {
    const keys = ['platform/pcf-api', 'payments/api', 'team-17/preview-4'];
    assert.deepEqual(
      keys.map((key) => [shardOf(key, 4), shardOf(key, 9)]),
      [
        [3, 3],
        [0, 2],
        [1, 4],
      ],
    );
  });

  it('is 0 for every key with one shard', () => {
    assert.equal(shardOf('platform/pcf-api', 1), 0);
  });

  it('distributes keys evenly: each of 8 shards gets 1,250 of 10,000 keys, 10 % more or less', () => {
    const counts = Array.from({ length: 8 }, () => 0);
    for (let i = 0; i < 10_000; i++) counts[shardOf(`team-${i % 50}/api-${i}`, 8)]! += 1;
    for (const count of counts) assert.ok(Math.abs(count - 1_250) < 125, counts.join(', '));
  });
});

describe('quotaOf', () => {
  const quotas = (owned: Record<string, number>, shards: number) => {
    const members = new Map(Object.entries(owned));
    return Object.fromEntries([...members.keys()].map((name) => [name, quotaOf(name, members, shards)]));
  };

  it('is all shards for the only member', () => {
    assert.deepEqual(quotas({ a: 0 }, 6), { a: 6 });
  });

  it('leaves the larger share to the member that owns more', () => {
    assert.deepEqual(quotas({ a: 0, b: 3 }, 3), { a: 1, b: 2 });
  });

  it('is 0 for some members if there are fewer shards than members', () => {
    assert.deepEqual(quotas({ a: 0, b: 1, c: 1 }, 2), { a: 0, b: 1, c: 1 });
  });

  it('adds up to the number of shards, differs by 1 at most, and is stable when each member owns its quota', () => {
    const members = fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), fc.nat(20), { minKeys: 1, maxKeys: 9 });
    fc.assert(
      fc.property(members, fc.integer({ min: 1, max: 64 }), (owned, shards) => {
        const shares = quotas(owned, shards);
        const values = Object.values(shares);
        assert.equal(
          values.reduce((sum, value) => sum + value, 0),
          shards,
        );
        assert.ok(Math.max(...values) - Math.min(...values) <= 1);
        assert.deepEqual(quotas(shares, shards), shares);
      }),
    );
  });

  it('never decreases when another member leaves, if each member owned its quota', () => {
    const cases = fc.record({
      count: fc.integer({ min: 2, max: 9 }),
      shards: fc.integer({ min: 1, max: 64 }),
    });
    fc.assert(
      fc.property(cases, fc.nat(), ({ count, shards }, choice) => {
        const names = Array.from({ length: count }, (_, index) => `member-${index}`);
        const before = quotas(Object.fromEntries(names.map((name) => [name, 0])), shards);
        const { [names[choice % count]!]: _, ...left } = before;
        const after = quotas(left, shards);
        for (const [name, share] of Object.entries(left)) assert.ok(after[name]! >= share, name);
      }),
    );
  });
});
