import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ModelCluster } from './model-cluster.js';
import { runs, settings, split } from './random-history.js';

describe('plan, in a delivery without failures', () => {
  it('never reduces ready pods below the promised number in a delivery without failures', () => {
    fc.assert(
      fc.property(
        settings,
        fc.integer({ min: 1, max: 6 }),
        fc.array(fc.boolean(), { maxLength: 80 }),
        (given, replicas, ready) => {
          const cluster = new ModelCluster({ ...given, replicas });
          deliver(cluster, 'a', []);
          deliver(cluster, 'b', ready);
          assert.equal(cluster.position.stable, 'b', 'a delivery without disturbance completes');
        },
      ),
      runs(2_000),
    );
  });

  it('creates no more pods in a rolling update than maxSurge allows', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 1, max: 8 }),
        split,
        (maxSurge, replicas, split) => {
          const cluster = new ModelCluster({
            strategy: 'RollingUpdate',
            maxSurge,
            replicas,
            split,
            retireDelayMs: 0,
          });
          deliver(cluster, 'a', []);
          cluster.target = 'b';
          for (let round = 0; round < 200 && cluster.position.stable !== 'b'; round++) {
            cluster.reconcile();
            const total = [...cluster.revisions.values()].reduce((sum, state) => sum + state.replicas, 0);
            assert.ok(total <= replicas + maxSurge, `${total} pods`);
            cluster.heal();
            cluster.now += 3_000;
          }
          assert.equal(cluster.position.stable, 'b');
        },
      ),
      runs(500),
    );
  });
});

/** Delivers a revision. In each round one more pod becomes ready, unless `ready` is false for the round. */
function deliver(cluster: ModelCluster, target: string, ready: boolean[]): void {
  cluster.target = target;
  const { settings } = cluster;
  const promised = cluster.position.stable ? settings.replicas - settings.maxUnavailable : 0;
  for (let round = 0; round < 300 && cluster.position.stable !== target; round++) {
    cluster.reconcile();
    const total = [...cluster.revisions.values()].reduce((sum, state) => sum + state.ready, 0);
    assert.ok(total >= promised, `${total} ready pods, ${promised} were promised`);
    for (const state of cluster.revisions.values()) {
      for (const stage of ['expand', 'backfill'] as const) {
        if (state.jobs[stage] === 'Running') state.jobs[stage] = 'Succeeded';
      }
      if (ready[round] ?? true) state.ready = Math.min(state.replicas, state.ready + 1);
      state.workers = { ...state.workers, ready: state.workers.replicas };
    }
    cluster.request('promote');
    cluster.now += 61_000;
  }
}
