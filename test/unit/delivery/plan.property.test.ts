import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { pendingContracts } from '../../../operator/delivery/rollback-floor.js';
import { sameRoute } from '../../../operator/delivery/routing.js';
import { RUN_FACTOR } from '../../support/runner/property-runs.js';
import { invariants } from './invariants/all.js';
import { isRecovering, type Moment } from './invariants/moment.js';
import { reportStatus } from './model-status.js';
import { history, runs } from './random-history.js';
import { replay, settleCalm } from './replay.js';

describe('plan, with random events and crash points', () => {
  it('keeps all invariants', function () {
    this.timeout(60_000 * Math.max(1, RUN_FACTOR));
    fc.assert(
      fc.property(history, (past) => {
        replay(past, (moment) => {
          if (isRecovering(moment)) return assertUnchanged(moment);
          for (const [invariant, check] of Object.entries(invariants)) {
            try {
              check(moment);
            } catch (error) {
              throw new Error(`broken: ${invariant}: ${(error as Error).message}`, { cause: error });
            }
          }
        });
      }),
      { ...runs(3_000), includeErrorInReport: true },
    );
  });

  it('completes or aborts each delivery when disturbances end, reports a matching status, and then writes nothing', function () {
    this.timeout(60_000 * Math.max(1, RUN_FACTOR));
    fc.assert(
      fc.property(history, (past) => {
        const cluster = replay(past);
        settleCalm(cluster);
        const { stable, update, failed } = cluster.position;
        const desiredWeight = cluster.settings.canaryWeight ?? 100;
        const settled = cluster.observe();
        const plan = cluster.reconcile();
        assert.ok(
          [stable, update, failed?.revision].includes(cluster.target) || plan.refused,
          'the target is neither stable, nor in progress, nor aborted, nor refused',
        );
        if (desiredWeight === 100 && !failed && !plan.refused) {
          assert.equal(stable, cluster.target);
          assert.deepEqual(pendingContracts(cluster.position), [], 'all contract migrations are completed');
        }
        assert.deepEqual(plain(cluster.observe()), plain(settled), 'it continues writing');

        const { summary, status } = reportStatus(cluster, settled, plan);
        if (summary.verdict === 'InProgress') assert.equal(summary.reason, 'WeightLimited', summary.message);
        assert.ok(status.traffic?.verified);
        const pods = [...cluster.revisions].filter(([, { replicas }]) => replicas > 0);
        assert.deepEqual(
          status.revisions
            ?.filter(({ replicas }) => replicas > 0)
            .map((it) => [it.name, it.replicas, it.readyReplicas])
            .sort(),
          pods.map(([revision, { replicas, ready }]) => [revision, replicas, ready]).sort(),
        );
        assert.ok(pods.every(([revision]) => revision === stable || revision === update));
        for (const { name: revision, weight } of cluster.route?.byPods ? [] : (status.revisions ?? []))
          assert.equal(weight, cluster.route?.weights[revision] ?? 0);
      }),
      runs(1_000),
    );
  });

  it('never requeues immediately after a reconcile without changes, so that an expired time causes no busy loop', () => {
    const ages = fc.integer({ min: 0, max: 7_200_000 });
    fc.assert(
      fc.property(history, ages, (past, ageMs) => {
        const cluster = replay(past);
        cluster.catchUp();
        cluster.pass(ageMs);
        let plan = cluster.reconcile();
        for (let round = 0; round < 20; round++) {
          const before = plain(cluster.observe());
          plan = cluster.reconcile();
          if (isDeepStrictEqual(plain(cluster.observe()), before)) break;
        }
        const { requeueAfterMs } = plan;
        assert.ok(requeueAfterMs === undefined || requeueAfterMs > 0, `requeueAfterMs ${requeueAfterMs}`);
      }),
      runs(1_000),
    );
  });
});

const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

function assertUnchanged({ observation, plan }: Moment): void {
  assert.ok(sameRoute(plan.route, observation.route), 'the plan changes the route');
  for (const { name: revision, replicas } of observation.revisions)
    assert.equal(plan.replicas[revision] ?? 0, replicas, `pods of ${revision}`);
}
