import assert from 'node:assert/strict';
import type { DeliverySpec } from '../../../operator/delivery/delivery-spec.js';
import { MINUTE, settle, settledOn, step } from './settled-cluster.js';

describe('BlueGreen', () => {
  const blueGreen = (pause: boolean): Partial<DeliverySpec> => ({
    strategy: 'BlueGreen',
    stages: [step(0, { pause })],
    canaryPods: 'full',
    retireDelayMs: 5 * MINUTE,
  });

  it('routes 0 % to the new revision before all of its pods are ready, then 100 %', () => {
    const cluster = settledOn(blueGreen(false));
    cluster.target = 'new';
    const weights = new Set<number>();
    for (let round = 0; round < 30; round++) {
      weights.add(cluster.reconcile().traffic.effectiveWeight);
      cluster.migrate('new');
      for (const state of cluster.revisions.values()) {
        state.ready = Math.min(state.replicas, state.ready + 1);
      }
      cluster.now += 1_000;
    }
    assert.deepEqual([...weights], [0, 100]);
    assert.equal(cluster.position.stable, 'new');
  });

  it('waits for a manual switch, and reverts in one route change while the old pods run', () => {
    const cluster = settledOn(blueGreen(true));
    cluster.target = 'new';
    settle(cluster);
    assert.deepEqual(cluster.route, { weights: { old: 100 }, header: 'new' });
    cluster.request('promote');
    for (let round = 0; round < 5; round++) cluster.reconcile();
    assert.equal(cluster.position.stable, 'new');

    cluster.target = 'old';
    const { route, decisions } = cluster.reconcile();
    assert.deepEqual(route?.weights, { old: 100 });
    assert.deepEqual(decisions, [{ type: 'Started', revision: 'old', undo: true }]);
    assert.deepEqual(cluster.reconcile().decisions, [{ type: 'Promoted', revision: 'old', undone: 'new' }]);

    cluster.target = 'new';
    const again = cluster.reconcile();
    assert.deepEqual(
      again.decisions,
      [{ type: 'Started', revision: 'new' }],
      'an undone revision is delivered with all steps',
    );
    assert.deepEqual(again.route?.weights, { old: 100 });
  });
});
