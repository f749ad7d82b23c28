import assert from 'node:assert/strict';
import type { DeliverySpec } from '../../../operator/delivery/delivery-spec.js';
import { ModelCluster } from './model-cluster.js';
import { reportStatus } from './model-status.js';

/** A cluster with stable revision `a`, whose delivery of `b` is completed by `rounds` reconciles. */
function clusterWith(settings: Partial<DeliverySpec> = {}): ModelCluster {
  const cluster = new ModelCluster({ contractDelayMs: 0, ...settings });
  settle(cluster);
  assert.equal(cluster.position.stable, 'a');
  return cluster;
}

/** Reconciles until nothing changes, with Jobs and pods that succeed. */
function settle(cluster: ModelCluster, rounds = 12) {
  for (let round = 0; round < rounds; round++) {
    cluster.reconcile();
    cluster.heal();
    cluster.pass(3_000);
  }
  return cluster.reconcile();
}

const summaryOf = (cluster: ModelCluster) => {
  const observation = cluster.observe();
  return reportStatus(cluster, observation, cluster.reconcile()).summary;
};
const shareOf = (cluster: ModelCluster, name: string) => cluster.route?.weights[name] ?? 0;
const step = (weight: number, changes = {}) => ({ weight, holdMs: 0, pause: false, ...changes });

describe('a closed window', () => {
  it('holds the start of a delivery, with the reason WindowClosed, and no Job runs', () => {
    const cluster = clusterWith();
    cluster.held = ['Start'];
    cluster.target = 'b';
    const { held, job, requeueAfterMs } = settle(cluster);
    assert.deepEqual(held, { step: 'Start', revision: 'b', waitingFor: 'the window that opens tomorrow' });
    assert.deepEqual([job, requeueAfterMs, cluster.position.update], [undefined, 60_000, undefined]);
    const { reason, phase, verdict, message } = summaryOf(cluster);
    assert.deepEqual([reason, phase, verdict], ['WindowClosed', 'Paused', 'Current']);
    assert.equal(message, 'the delivery of b has not started; waiting for the window that opens tomorrow');
    cluster.held = [];
    settle(cluster);
    assert.equal(cluster.position.stable, 'b');
  });

  it('holds the next migration Job of a delivery that has started', () => {
    const cluster = clusterWith();
    cluster.target = 'b';
    cluster.reconcile();
    cluster.held = ['Start'];
    cluster.heal();
    assert.equal(settle(cluster).job, undefined);
    assert.equal(cluster.revisions.get('b')?.jobs.backfill, 'Absent');
    assert.match(summaryOf(cluster).message, /^migrations of b are pending; waiting for the window/);
  });

  it('does not hold the first revision, because no other one serves', () => {
    const cluster = new ModelCluster({});
    cluster.held = ['Start', 'Weight', 'Promotion', 'Contract', 'Purge'];
    settle(cluster);
    assert.equal(cluster.position.stable, 'a');
  });

  it('keeps the effective weight when canaryWeight is raised, and reports the desired one with the reason', () => {
    const cluster = clusterWith({ canaryWeight: 30 });
    cluster.target = 'b';
    settle(cluster);
    cluster.held = ['Weight'];
    cluster.settings.canaryWeight = 50;
    const { traffic } = settle(cluster);
    assert.equal(shareOf(cluster, 'b'), 30);
    assert.deepEqual([traffic.desiredWeight, traffic.effectiveWeight], [50, 30]);
    assert.equal(traffic.reason, 'waiting for the window that opens tomorrow');
    assert.equal(cluster.revisions.get('b')?.replicas, 1, 'pods for a weight that is held');
    assert.match(summaryOf(cluster).message, /^b stays at 30 % of the traffic; waiting for the window/);
    cluster.held = [];
    settle(cluster);
    assert.equal(shareOf(cluster, 'b'), 50);
  });

  it('does not hold a lower canaryWeight, and then holds the return to the higher one', () => {
    const cluster = clusterWith({ canaryWeight: 30 });
    cluster.target = 'b';
    settle(cluster);
    cluster.held = ['Weight'];
    for (const [weight, share] of [
      [10, 10],
      [30, 10],
      [0, 0],
      [10, 0],
    ] as const) {
      cluster.settings.canaryWeight = weight;
      settle(cluster);
      assert.equal(shareOf(cluster, 'b'), share, `canaryWeight ${weight}`);
    }
  });

  it('stops a weight that increases as pods become ready at the share that is effective when it closes', () => {
    const cluster = clusterWith({ canaryWeight: 100 });
    cluster.target = 'b';
    for (const round of Array.from({ length: 6 }, (_, index) => index)) {
      cluster.reconcile();
      if (round < 3) cluster.heal();
      cluster.pass(3_000);
      const pods = cluster.revisions.get('b')!;
      if (round >= 3) pods.ready = Math.min(1, pods.replicas);
    }
    assert.equal(shareOf(cluster, 'b'), 33);
    cluster.held = ['Weight', 'Promotion'];
    settle(cluster);
    assert.equal(shareOf(cluster, 'b'), 33);
    cluster.held = [];
    settle(cluster);
    assert.equal(cluster.position.stable, 'b');
  });

  it('holds the step with more weight, also if it was requested with promote --full', () => {
    const cluster = clusterWith({ stages: [step(20), step(60)] });
    cluster.held = ['Weight'];
    cluster.target = 'b';
    settle(cluster);
    assert.deepEqual([shareOf(cluster, 'b'), cluster.position.step], [0, undefined]);
    cluster.held = [];
    for (let round = 0; round < 12 && shareOf(cluster, 'b') < 20; round++) {
      cluster.reconcile();
      cluster.heal();
      cluster.pass(3_000);
    }
    cluster.held = ['Weight'];
    cluster.request('full');
    const { step: view, held } = settle(cluster);
    assert.deepEqual([shareOf(cluster, 'b'), view?.weight, view?.index], [20, 20, 0]);
    assert.equal(view?.waitingFor, 'the window that opens tomorrow');
    assert.equal(held?.step, 'Weight');
  });

  it('holds the promotion and contract', () => {
    const cluster = clusterWith();
    cluster.held = ['Promotion'];
    cluster.target = 'b';
    const { promotionWaitsFor } = settle(cluster);
    assert.deepEqual([shareOf(cluster, 'b'), cluster.position.stable], [100, 'a']);
    assert.equal(promotionWaitsFor, 'the window that opens tomorrow');
    assert.match(
      summaryOf(cluster).message,
      /^b has all of the traffic and is not promoted yet; waiting for/,
    );
    cluster.held = ['Contract'];
    const { contract } = settle(cluster);
    assert.deepEqual([cluster.position.stable, [...cluster.schema]], ['b', []]);
    assert.equal(contract?.waitingFor, 'the window that opens tomorrow');
    cluster.held = [];
    settle(cluster);
    assert.deepEqual([...cluster.schema], ['B']);
  });

  it('holds neither an abort, nor an undo, nor a reverted spec, nor scaling', () => {
    const all = ['Start', 'Weight', 'Promotion', 'Contract', 'Purge'] as const;
    const cluster = clusterWith({ canaryWeight: 40, contractDelayMs: 86_400_000 });
    cluster.target = 'b';
    settle(cluster);
    cluster.held = all;
    cluster.settings.replicas = 6;
    settle(cluster);
    assert.deepEqual([cluster.revisions.get('a')?.replicas, shareOf(cluster, 'b')], [6, 40]);
    cluster.request('abort');
    cluster.reconcile();
    assert.equal(shareOf(cluster, 'b'), 0);

    cluster.held = [];
    cluster.request('retry');
    cluster.settings.canaryWeight = undefined;
    for (let round = 0; round < 20 && cluster.position.stable !== 'b'; round++) {
      cluster.reconcile();
      cluster.heal();
      cluster.pass(3_000);
    }
    cluster.held = all;
    cluster.target = 'a';
    cluster.reconcile();
    assert.equal(shareOf(cluster, 'a'), 100, 'an undo whose pods run is immediate');
    settle(cluster);
    assert.equal(cluster.position.stable, 'a');
  });

  it('does not hold a rollback to a previous revision whose pods were removed', () => {
    const cluster = clusterWith({ contractDelayMs: 86_400_000, stages: [step(50)] });
    cluster.target = 'b';
    settle(cluster);
    cluster.pass(60_000);
    settle(cluster);
    assert.equal(cluster.revisions.get('a')?.replicas, 0);
    cluster.held = ['Start', 'Weight', 'Promotion', 'Contract', 'Purge'];
    cluster.target = 'a';
    settle(cluster);
    assert.equal(cluster.position.stable, 'a');
  });

  it('a Gateway that lacks a feature holds a new revision, and neither a rollback nor contract', () => {
    const cluster = clusterWith({ contractDelayMs: 86_400_000, stages: [step(50)] });
    const settleWith = (isUnsupported: boolean) => {
      cluster.isUnsupported = isUnsupported;
      settle(cluster, 20);
    };
    cluster.target = 'b';
    settleWith(true);
    assert.deepEqual([cluster.position.stable, cluster.revisions.get('b')?.replicas ?? 0], ['a', 0]);
    assert.equal(cluster.revisions.get('b')?.jobs.expand, 'Absent');

    settleWith(false);
    cluster.pass(60_000);
    settleWith(false);
    assert.deepEqual([cluster.position.stable, cluster.revisions.get('a')?.replicas], ['b', 0]);
    cluster.target = 'a';
    settleWith(true);
    assert.equal(cluster.position.stable, 'a');

    cluster.target = 'b';
    settleWith(false);
    cluster.settings.contractDelayMs = 0;
    settleWith(true);
    assert.deepEqual([...cluster.schema], ['B']);
  });

  it('keeps the failure of a revision until its retry starts, so that the retry reruns its migrations', () => {
    const cluster = clusterWith({ canaryWeight: 10 });
    cluster.target = 'b';
    settle(cluster);
    cluster.request('abort');
    settle(cluster);
    cluster.held = ['Start'];
    cluster.request('retry');
    settle(cluster);
    assert.equal(cluster.position.failed?.revision, 'b');
    assert.equal(summaryOf(cluster).reason, 'WindowClosed');
    cluster.held = [];
    cluster.reconcile();
    assert.deepEqual([cluster.position.update, cluster.position.rerunMigrations], ['b', true]);
  });
});
