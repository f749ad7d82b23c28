import assert from 'node:assert/strict';
import type { Decision } from '../../../operator/delivery/delivery-plan.js';
import type { DeliverySpec } from '../../../operator/delivery/delivery-spec.js';
import { undoTarget } from '../../../operator/delivery/plan.js';
import { KILLED_BEFORE_STATUS, ModelCluster } from './model-cluster.js';
import { MINUTE, settle, settledOn, step, weightOf } from './settled-cluster.js';

describe('undo', () => {
  const delivered = (cluster: ModelCluster, target: string) => {
    const decisions: Decision[] = [];
    cluster.target = target;
    for (let round = 0; round < 40; round++) {
      decisions.push(...cluster.reconcile().decisions);
      cluster.heal();
      cluster.now += 2_100;
    }
    return decisions.filter(({ type }) => type === 'Started' || type === 'Promoted');
  };

  it('is recorded also after the old pods were removed, and the delivery after it is not an undo', () => {
    const cluster = new ModelCluster({ replicas: 2 });
    delivered(cluster, 'a');
    assert.deepEqual(delivered(cluster, 'b'), [
      { type: 'Started', revision: 'b' },
      { type: 'Promoted', revision: 'b' },
    ]);
    cluster.now += 60 * MINUTE;
    assert.deepEqual(delivered(cluster, 'a'), [
      { type: 'Started', revision: 'a' },
      { type: 'Promoted', revision: 'a', undone: 'b' },
    ]);
    assert.deepEqual(delivered(cluster, 'b').at(-1), { type: 'Promoted', revision: 'b' });
  });

  it('immediately routes 100 % to the old revision while its pods run, independently of canaryWeight', () => {
    const cluster = settledOn({ stages: [step(50)], replicas: 4, retireDelayMs: MINUTE, canaryWeight: 100 });
    cluster.target = 'new';
    for (let round = 0; round < 8; round++) {
      cluster.reconcile();
      cluster.heal();
    }
    assert.equal(cluster.position.stable, 'new');
    assert.equal(cluster.revisions.get('old')?.ready, 4);
    cluster.settings.canaryWeight = 10;
    cluster.target = 'old';
    assert.deepEqual(cluster.reconcile().route?.weights, { old: 100 });
  });
});

describe('abort of a delivery', () => {
  function delivering(settings: Partial<DeliverySpec> = {}): ModelCluster {
    const cluster = settledOn({ stages: [step(50, { pause: true })], replicas: 4, ...settings });
    cluster.target = 'new';
    settle(cluster);
    assert.equal(weightOf(cluster, 'new'), 50);
    return cluster;
  }

  function expectAborted(cluster: ModelCluster, reason: string): void {
    const { decisions, route, position } = cluster.reconcile();
    assert.equal(decisions[0]?.type, 'Aborted');
    assert.equal(position.failed?.reason, reason);
    assert.deepEqual(route?.weights, { old: 100 });
    settle(cluster);
    assert.equal(cluster.position.stable, 'old');
    assert.equal(cluster.position.update, undefined, 'the revision is not retried');
  }

  it('happens immediately when its pods crash', () => {
    const cluster = delivering();
    cluster.crash('new', true);
    cluster.revision('new').ready = 0;
    expectAborted(cluster, 'CrashLoop');
  });

  it('happens when pods crash that were created in the same second as the delivery started', () => {
    const cluster = settledOn({ replicas: 4 });
    cluster.now += 100;
    cluster.target = 'new';
    cluster.migrate('new');
    cluster.reconcile();
    cluster.reconcile();
    const { startedAt = '' } = cluster.position;
    assert.match(startedAt, /\.\d*[1-9]\d*Z$/, 'not at a whole second');
    cluster.revision('new').crashesSince = `${startedAt.slice(0, 19)}Z`;
    expectAborted(cluster, 'CrashLoop');
  });

  it('ignores crashed pods of an earlier attempt', () => {
    const cluster = delivering();
    cluster.crash('new', true);
    cluster.revision('new').ready = 0;
    cluster.reconcile();
    assert.equal(cluster.position.failed?.reason, 'CrashLoop');
    cluster.now += 10_000;
    cluster.request('retry');
    cluster.reconcile();
    cluster.reconcile();
    assert.equal(cluster.position.update, 'new');
  });

  it('happens when the analysis fails, or on request, also while paused', () => {
    const judged = delivering();
    judged.verdict = 'Failed';
    expectAborted(judged, 'AnalysisFailed');
    const byHand = delivering({ paused: false });
    byHand.settings.paused = true;
    byHand.request('abort');
    expectAborted(byHand, 'AbortRequested');
  });

  it('happens when pods make no progress until the deadline, which excludes holds and pauses', () => {
    const cluster = delivering({ progressDeadlineMs: 5 * MINUTE });
    cluster.now += 60 * MINUTE;
    assert.deepEqual(
      cluster.reconcile().decisions,
      [],
      'waiting for a manual promotion does not count as a lack of progress',
    );
    cluster.revision('new').ready = 1;
    cluster.reconcile();
    cluster.now += 5 * MINUTE;
    expectAborted(cluster, 'ProgressDeadlineExceeded');
  });

  it('does not happen to a first revision whose deadline has expired: it is reported and waits for an event', () => {
    const cluster = new ModelCluster({ progressDeadlineMs: 5 * MINUTE });
    cluster.target = 'a';
    cluster.reconcile();
    cluster.migrate('a');
    cluster.reconcile();
    assert.equal(cluster.reconcile().requeueAfterMs, 5 * MINUTE);
    cluster.now += 5 * MINUTE;
    for (let round = 0; round < 3; round++) {
      const { overdue, requeueAfterMs, position, replicas, decisions } = cluster.reconcile();
      assert.equal(overdue, 'no progress for 300 s: 0 of 3 pods are ready');
      assert.equal(requeueAfterMs, undefined);
      assert.equal(position.update, 'a');
      assert.equal(replicas.a, 3);
      assert.deepEqual(decisions, []);
    }
    cluster.heal();
    cluster.reconcile();
    assert.equal(cluster.reconcile().overdue, undefined);
    assert.equal(cluster.position.stable, 'a', 'it becomes stable once its pods are ready');
  });

  it('happens when pods flap until the deadline, but not when a pod is not ready after a long healthy time', () => {
    const cluster = delivering({ progressDeadlineMs: 5 * MINUTE });
    cluster.now += 60 * MINUTE;
    let reason: string | undefined;
    for (let minute = 0; minute < 20 && !reason; minute++) {
      cluster.revision('new').ready = minute % 2;
      reason = cluster.reconcile().position.failed?.reason;
      cluster.now += MINUTE;
      if (minute < 5) assert.equal(reason, undefined, 'the pods were ready for an hour');
    }
    assert.equal(reason, 'ProgressDeadlineExceeded');

    const single = delivering({ progressDeadlineMs: 5 * MINUTE });
    single.now += 60 * MINUTE;
    for (let round = 0; round < 40 && !single.position.failed; round++) {
      single.revision('new').ready = round % 2 === 0 ? 1 : 2;
      single.reconcile();
      single.now += 20_000;
    }
    assert.equal(single.position.failed?.reason, 'ProgressDeadlineExceeded', 'all ready, for 20 s at a time');
  });

  it('keeps the share that the stable pods have no capacity for until they are ready, and reports it', () => {
    const cluster = delivering({ maxSurge: 1 });
    const stablePods = cluster.revision('old').replicas;
    assert.ok(stablePods < 4, 'the stable revision was scaled down');
    cluster.request('abort');
    const { route, replicas, traffic } = cluster.reconcile();
    assert.deepEqual(route?.weights, { old: 75, new: 25 });
    assert.match(traffic.reason ?? '', /^new keeps 25 %: 3 of 4 pods of old are ready/);
    assert.equal(replicas.old, 4);
    assert.deepEqual(cluster.reconcile().route?.weights, { old: 75, new: 25 }, 'until its pods are ready');
    settle(cluster);
    assert.deepEqual(cluster.route?.weights, { old: 100 });
    assert.equal(cluster.reconcile().traffic.reason, undefined);
  });

  describe('while stable pods are not ready for another reason', () => {
    const canaryOfOne = (settings: Partial<DeliverySpec> = {}) => {
      const cluster = settledOn({ stages: [step(5, { pause: true })], replicas: 10, ...settings });
      cluster.target = 'new';
      settle(cluster);
      assert.equal(weightOf(cluster, 'new'), 5);
      return cluster;
    };

    for (const [how, end] of [
      ['analysis failed', (c: ModelCluster) => (c.verdict = 'Failed')],
      ['the delivery was cancelled', (c: ModelCluster) => (c.target = 'old')],
      ['a newer image superseded it', (c: ModelCluster) => (c.target = 'newer')],
    ] as const) {
      it(`routes nothing to the failed revision if stable pods were not removed for it: ${how}`, () => {
        const cluster = canaryOfOne();
        cluster.revision('old').ready = 5;
        cluster.reconcile();
        end(cluster);
        assert.deepEqual(cluster.reconcile().route?.weights, { old: 100 });
        assert.deepEqual(cluster.reconcile().route?.weights, { old: 100 });
      });
    }

    it('never routes more to the failed revision than its earlier share and the capacity of its ready pods', () => {
      const cluster = canaryOfOne({ maxSurge: 1 });
      cluster.revision('old').ready = 5;
      cluster.verdict = 'Failed';
      assert.deepEqual(cluster.reconcile().route?.weights, { old: 95, new: 5 });
      const half = delivering({ maxSurge: 1 });
      half.revision('old').ready = 1;
      half.revision('new').ready = 1;
      half.verdict = 'Failed';
      assert.deepEqual(half.reconcile().route?.weights, { old: 75, new: 25 });
    });

    it('keeps ready pods of the failed revision until stable pods replace them', () => {
      const cluster = settledOn({ stages: [], replicas: 3, maxSurge: 1 });
      cluster.target = 'new';
      while (cluster.revision('new').ready < 2) {
        cluster.reconcile();
        cluster.succeed(2_000);
      }
      assert.equal(cluster.revision('old').replicas, 2);
      cluster.revision('old').ready = 1;
      cluster.settings.canaryWeight = 0;
      assert.deepEqual(cluster.reconcile().replicas, { old: 2, new: 2 }, '3 ready pods of at most 4');
      settle(cluster);
      assert.deepEqual(cluster.reconcile().replicas, { old: 3, new: 1 });
    });

    it('routes 100 % to the failed revision only while no stable pod is ready', () => {
      const cluster = canaryOfOne();
      cluster.revision('old').ready = 0;
      cluster.verdict = 'Failed';
      assert.deepEqual(cluster.reconcile().route?.weights, { new: 100 });
      cluster.revision('old').ready = 1;
      assert.deepEqual(cluster.reconcile().route?.weights, { old: 90, new: 10 });
      cluster.revision('old').ready = 10;
      assert.deepEqual(cluster.reconcile().route?.weights, { old: 100 });
    });

    it('keeps the share for which stable pods were removed, also if the operator is killed during the abort', () => {
      const cluster = delivering({ maxSurge: 1 });
      cluster.request('abort');
      cluster.reconcile(KILLED_BEFORE_STATUS);
      assert.deepEqual(cluster.reconcile().route?.weights, { old: 75, new: 25 });
    });
  });

  it('is cleared when the target changes, and on a retry request', () => {
    const cluster = delivering();
    cluster.request('abort');
    expectAborted(cluster, 'AbortRequested');
    cluster.request('retry');
    const { decisions } = cluster.reconcile();
    assert.deepEqual(decisions, [{ type: 'Started', revision: 'new' }]);
    settle(cluster);
    assert.equal(weightOf(cluster, 'new'), 50);
    cluster.request('abort');
    settle(cluster);
    cluster.target = 'newer';
    settle(cluster);
    assert.equal(cluster.position.failed, undefined);
    cluster.target = 'new';
    settle(cluster);
    assert.equal(cluster.position.update, 'new');
  });

  it('does not change the undo target: it is the stable revision during a delivery, and the previous one after it', () => {
    const cluster = settledOn({});
    assert.equal(undoTarget(cluster.position), undefined);
    cluster.target = 'new';
    settle(cluster);
    assert.equal(undoTarget(cluster.position), 'old');
    cluster.settings.stages = [step(50, { pause: true })];
    cluster.target = 'newer';
    settle(cluster);
    assert.equal(undoTarget(cluster.position), 'new', 'during a delivery');
    cluster.request('abort');
    settle(cluster);
    assert.equal(undoTarget(cluster.position), 'new', 'the target is the aborted revision');
    cluster.target = 'new';
    settle(cluster);
    assert.equal(undoTarget(cluster.position), 'old', 'the target is stable, and can be undone');
  });

  it('never happens to the first revision, as there is no stable revision', () => {
    const cluster = new ModelCluster({ progressDeadlineMs: MINUTE });
    cluster.target = 'first';
    cluster.reconcile();
    cluster.migrate('first');
    cluster.reconcile();
    cluster.crash('first', true);
    cluster.now += 10 * MINUTE;
    assert.deepEqual(cluster.reconcile().decisions, []);
  });
});
