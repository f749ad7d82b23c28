import assert from 'node:assert/strict';
import fc from 'fast-check';
import { capacityShare, podsForShare, replicaShares } from '../../../operator/delivery/weight.js';

describe('podsForShare and replicaShares', () => {
  it('podsForShare returns enough pods for the share, and one pod for the header route', () => {
    assert.equal(podsForShare(0, 3), 1);
    assert.equal(podsForShare(10, 3), 1);
    assert.equal(podsForShare(34, 3), 2);
    assert.equal(podsForShare(100, 3), 3);
    assert.equal(podsForShare(50, 0), 0);
  });

  it('podsForShare never returns fewer pods than the share needs', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 100 }), fc.integer({ min: 1, max: 200 }), (weight, full) => {
        assert.ok(capacityShare(podsForShare(weight, full), full) >= weight);
      }),
    );
  });

  it('replicaShares splits pods as near to the weight as possible', () => {
    assert.deepEqual(replicaShares(3, 50), { stable: 2, update: 2 });
    assert.deepEqual(replicaShares(3, 10), { stable: 3, update: 1 });
    assert.deepEqual(replicaShares(10, 10), { stable: 9, update: 1 });
    assert.deepEqual(replicaShares(1, 30), { stable: 1, update: 1 });
    assert.deepEqual(replicaShares(0, 30), { stable: 0, update: 0 });
  });

  it('replicaShares returns at least the full number of pods, and one of each revision', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 99 }), fc.integer({ min: 1, max: 100 }), (weight, full) => {
        const { stable, update } = replicaShares(full, weight);
        assert.ok(stable >= 1 && update >= 1);
        assert.ok(stable + update >= full && stable + update <= full + 1);
      }),
    );
  });
});
