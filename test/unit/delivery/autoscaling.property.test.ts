import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { DeliverySpec } from '../../../operator/delivery/delivery-spec.js';
import { podsForShare, podsToRetain } from '../../../operator/delivery/weight.js';
import { propertyRuns } from '../../support/runner/property-runs.js';
import { ModelCluster } from './model-cluster.js';

const OLD = 'a';
const NEW = 'b';

/** Replicas that an autoscaler sets, for a number of rounds. A revision gets one ready pod per round, or fewer if it is slow. */
const decision = fc.record({
  replicas: fc.integer({ min: 1, max: 12 }),
  oldIsSlow: fc.boolean(),
  newIsSlow: fc.boolean(),
  rounds: fc.integer({ min: 1, max: 30 }),
});
type Decision = typeof decision extends fc.Arbitrary<infer T> ? T : never;

const scaling = fc.record({
  replicas: fc.integer({ min: 1, max: 12 }),
  weight: fc.integer({ min: 1, max: 99 }),
  decisions: fc.array(decision, { minLength: 1, maxLength: 6 }),
});

/** A canary that has its weight, at a step that waits for a manual promotion. */
function canaryAt(weight: number, settings: Partial<DeliverySpec>): ModelCluster {
  const cluster = new ModelCluster({ ...settings, stages: [{ weight, holdMs: 0, pause: true }] });
  for (const target of [OLD, NEW]) {
    cluster.target = target;
    for (let round = 0; round < 40; round++) {
      cluster.reconcile();
      cluster.heal();
      cluster.now += 2_100;
    }
  }
  assert.equal(cluster.route?.weights[NEW], weight);
  return cluster;
}

/** Applies a decision, and calls the check after each reconcile. */
function follow(
  cluster: ModelCluster,
  { replicas, oldIsSlow, newIsSlow, rounds }: Decision,
  check: (round: number) => void,
): void {
  cluster.settings.replicas = replicas;
  for (let round = 0; round < rounds; round++) {
    cluster.reconcile();
    check(round);
    for (const [name, isSlow] of [
      [OLD, oldIsSlow],
      [NEW, newIsSlow],
    ] as const) {
      const state = cluster.revision(name);
      state.leaving = 0;
      if (!isSlow || round % 3 === 0) state.ready = Math.min(state.replicas, state.ready + 1);
    }
    cluster.now += 1_000;
  }
}

const podsOf = (cluster: ModelCluster, name: string) => cluster.revision(name).replicas;

describe('plan with an autoscaler that changes replicas during a delivery', () => {
  it('keeps the weights and immediately scales each revision to the pods that its share needs', () => {
    const property = fc.property(scaling, ({ replicas, weight, decisions }) => {
      const cluster = canaryAt(weight, { replicas });
      for (const next of decisions) {
        follow(cluster, next, () => {
          assert.equal(
            cluster.route?.weights[NEW],
            weight,
            'the weight does not depend on which revision is ready first',
          );
          assert.equal(
            podsOf(cluster, OLD),
            next.replicas,
            'the stable revision has capacity for all of the traffic',
          );
          assert.equal(podsOf(cluster, NEW), podsForShare(weight, next.replicas));
        });
      }
    });
    fc.assert(property, { numRuns: propertyRuns(1_000) });
  });

  it('with maxSurge, changes pod counts in one direction per decision and does not exceed the surge', () => {
    const property = fc.property(
      scaling,
      fc.integer({ min: 1, max: 3 }),
      ({ replicas, weight, decisions }, maxSurge) => {
        const cluster = canaryAt(weight, { replicas, maxSurge });
        for (const next of decisions) {
          const podCounts: Record<string, number[]> = {
            [OLD]: [podsOf(cluster, OLD)],
            [NEW]: [podsOf(cluster, NEW)],
          };
          const before = podsOf(cluster, OLD) + podsOf(cluster, NEW);
          follow(cluster, next, () => {
            for (const name of [OLD, NEW]) podCounts[name]!.push(podsOf(cluster, name));
            const total = podsOf(cluster, OLD) + podsOf(cluster, NEW);
            assert.ok(total <= Math.max(before, next.replicas + maxSurge), `${total} pods`);
            const share = cluster.route?.weights[NEW] ?? 0;
            const { scale = next.replicas } = cluster.position;
            assert.ok(podsOf(cluster, NEW) >= podsToRetain(share, Math.min(scale, next.replicas)));
          });
          for (const [name, counts] of Object.entries(podCounts))
            assert.ok(turns(counts) <= 1, `${name}: ${counts}`);
        }
      },
    );
    fc.assert(property, { numRuns: propertyRuns(1_000) });
  });

  it('reduces the share of the canary when its pods fail, but not when the autoscaler raises replicas', () => {
    const cluster = canaryAt(50, { replicas: 4 });
    cluster.settings.replicas = 8;
    cluster.reconcile();
    assert.equal(cluster.route?.weights[NEW], 50, '2 pods of the earlier 4 replicas');
    cluster.revision(NEW).ready = 1;
    const { traffic } = cluster.reconcile();
    assert.equal(cluster.route?.weights[NEW], 25);
    assert.equal(
      traffic.reason,
      '1 of 4 pods of b are ready, enough for 25 %; the route was written and has not been read back yet',
    );
    cluster.heal();
    cluster.reconcile();
    assert.equal(cluster.route?.weights[NEW], 50);
  });
});

/** The number of direction changes in a series. */
function turns(counts: number[]): number {
  const moves = counts.slice(1).flatMap((count, index) => Math.sign(count - counts[index]!) || []);
  return moves.slice(1).filter((move, index) => move !== moves[index]).length;
}
