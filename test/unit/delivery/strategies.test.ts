import assert from 'node:assert/strict';
import type { Decision } from '../../../operator/delivery/delivery-plan.js';
import type { DeliverySpec } from '../../../operator/delivery/delivery-spec.js';
import { plan, undoTarget } from '../../../operator/delivery/plan.js';
import { deliverySettings } from '../../support/cluster/delivery-settings.js';
import { KILLED_BEFORE_STATUS, ModelCluster } from './model-cluster.js';

const step = (weight: number, rest: { holdMs?: number; pause?: boolean } = {}) => ({
  weight,
  holdMs: 0,
  pause: false,
  ...rest,
});
const MINUTE = 60_000;

/** A cluster in which `old` is stable and has all of the traffic. */
function settledOn(settings: Partial<DeliverySpec>): ModelCluster {
  const cluster = new ModelCluster({ ...settings, stages: [], strategy: 'Canary', canaryPods: 'share' });
  cluster.target = 'old';
  settle(cluster);
  assert.equal(cluster.position.stable, 'old');
  Object.assign(cluster.settings, deliverySettings({ settleMs: 2_000, ...settings }));
  return cluster;
}

/** Reconciles and makes every pod ready, until nothing changes. */
function settle(cluster: ModelCluster): void {
  for (let round = 0; round < 40; round++) {
    cluster.reconcile();
    cluster.heal();
    cluster.now += 2_100;
  }
}

const weightOf = (cluster: ModelCluster, name: string) => cluster.route?.weights[name] ?? 0;

describe('Canary with steps', () => {
  const stages = [step(20, { holdMs: 10 * MINUTE }), step(50, { pause: true }), step(80)];

  function delivering(): ModelCluster {
    const cluster = settledOn({ stages, replicas: 5 });
    cluster.target = 'new';
    settle(cluster);
    return cluster;
  }

  it('holds a step for its duration, from the time that its weight is in effect', () => {
    const cluster = delivering();
    assert.equal(weightOf(cluster, 'new'), 20);
    const plan = cluster.reconcile();
    assert.match(plan.step?.waitingFor ?? '', /the hold of 10m to end/);
    assert.ok(plan.requeueAfterMs! > 0 && plan.requeueAfterMs! <= 10 * MINUTE);
    cluster.now += 10 * MINUTE;
    settle(cluster);
    assert.equal(weightOf(cluster, 'new'), 50);
  });

  it('waits at a pause until a promote request for this step of this delivery', () => {
    const cluster = delivering();
    cluster.now += 10 * MINUTE;
    settle(cluster);
    cluster.settings.requests.promote = `new@2020-01-01T00:00:00.000Z/Canary/1`;
    settle(cluster);
    cluster.settings.requests.promote = `new@${cluster.position.startedAt}/Canary/0`;
    settle(cluster);
    assert.equal(cluster.position.step, 1, 'requests for another delivery or another step are ignored');
    cluster.request('promote');
    settle(cluster);
    assert.equal(cluster.position.stable, 'new');
  });

  it('skips all steps after a full promote request', () => {
    const cluster = delivering();
    cluster.request('full');
    settle(cluster);
    assert.equal(cluster.position.stable, 'new');
  });

  it('waits for the analysis, and reports it', () => {
    const cluster = delivering();
    cluster.verdict = 'Unavailable';
    cluster.now += 10 * MINUTE;
    settle(cluster);
    assert.equal(cluster.position.step, 0);
    assert.match(cluster.reconcile().step?.waitingFor ?? '', /the analysis: it is Unavailable/);
    cluster.verdict = 'Passed';
    settle(cluster);
    assert.equal(cluster.position.step, 1);
  });

  it('ignores a verdict for an earlier step', () => {
    const cluster = settledOn({ stages: [step(5), step(50)], replicas: 10 });
    cluster.target = 'new';
    cluster.verdict = 'Passed';
    cluster.judgedSince = undefined;
    settle(cluster);
    assert.equal(weightOf(cluster, 'new'), 5);
    assert.match(cluster.reconcile().step?.waitingFor ?? '', /no measurement at this step yet/);
    cluster.judgedSince = cluster.position.stepSince;
    settle(cluster);
    assert.equal(weightOf(cluster, 'new'), 50);
    assert.equal(cluster.position.step, 1);
  });

  it('holds a step of 100 % before the promotion', () => {
    const cluster = settledOn({ stages: [step(100, { holdMs: 10 * MINUTE })] });
    cluster.target = 'new';
    settle(cluster);
    assert.deepEqual([weightOf(cluster, 'new'), cluster.position.stable], [100, 'old']);
    cluster.now += 10 * MINUTE;
    settle(cluster);
    assert.equal(cluster.position.stable, 'new');
  });

  describe('with an analysis and no steps', () => {
    for (const given of [{}, { canaryWeight: 100 }]) {
      it(`is promoted only by the verdict Passed: ${JSON.stringify(given)}`, () => {
        const cluster = settledOn({});
        Object.assign(cluster.settings, given);
        cluster.target = 'new';
        for (const verdict of ['Running', 'Inconclusive', 'Unavailable'] as const) {
          cluster.verdict = verdict;
          settle(cluster);
          assert.deepEqual([weightOf(cluster, 'new'), cluster.position.stable], [100, 'old']);
          assert.match(
            cluster.reconcile().promotionWaitsFor ?? '',
            new RegExp(`the analysis: it is ${verdict}; or: kubectl pcf promote --full`),
          );
        }
        cluster.verdict = 'Passed';
        settle(cluster);
        assert.equal(cluster.position.stable, 'new');
      });
    }

    it('is aborted by the verdict Failed, and promoted manually with any verdict', () => {
      const cluster = settledOn({});
      cluster.target = 'new';
      cluster.verdict = 'Running';
      settle(cluster);
      cluster.verdict = 'Failed';
      cluster.reconcile();
      assert.deepEqual([weightOf(cluster, 'old'), cluster.position.failed?.reason], [100, 'AnalysisFailed']);
      cluster.verdict = 'Unavailable';
      cluster.request('retry');
      settle(cluster);
      cluster.request('full');
      settle(cluster);
      assert.equal(cluster.position.stable, 'new');
    });
  });

  it('is not promoted while the analysis is unavailable, also after the last step', () => {
    const cluster = settledOn({ stages: [step(50)], replicas: 4 });
    cluster.target = 'new';
    cluster.verdict = 'Passed';
    for (let round = 0; round < 40 && cluster.position.step !== 1; round++) {
      cluster.reconcile();
      cluster.heal();
      cluster.now += 2_100;
    }
    cluster.verdict = 'Unavailable';
    settle(cluster);
    assert.equal(cluster.position.stable, 'old');
    cluster.verdict = 'Running';
    settle(cluster);
    assert.equal(cluster.position.stable, 'new');
  });

  describe('edited during the delivery', () => {
    it('applies canaryWeight immediately, and continues the steps when canaryWeight is removed', () => {
      const cluster = delivering();
      cluster.settings.canaryWeight = 40;
      settle(cluster);
      assert.equal(weightOf(cluster, 'new'), 40);
      cluster.settings.canaryWeight = undefined;
      settle(cluster);
      assert.equal(weightOf(cluster, 'new'), 20);
      assert.equal(cluster.position.step, 0);
    });

    it('counts a longer hold from the start of the step, and completes a step whose shorter hold has passed', () => {
      const cluster = delivering();
      cluster.settings.stages = [step(20, { holdMs: 20 * MINUTE }), ...stages.slice(1)];
      cluster.now += 10 * MINUTE;
      settle(cluster);
      assert.equal(cluster.position.step, 0);
      cluster.settings.stages = [step(20, { holdMs: 5 * MINUTE }), ...stages.slice(1)];
      settle(cluster);
      assert.equal(cluster.position.step, 1);
    });

    it('applies a changed weight of the current step immediately, and promotes when all steps are removed', () => {
      const cluster = delivering();
      cluster.settings.stages = [step(60, { holdMs: 10 * MINUTE })];
      settle(cluster);
      assert.equal(weightOf(cluster, 'new'), 60);
      assert.equal(cluster.position.step, 0);
      cluster.settings.stages = [];
      settle(cluster);
      assert.equal(cluster.position.stable, 'new');
    });

    it('applies a changed weight of a later step when it starts, and keeps the step index when steps are appended', () => {
      const cluster = delivering();
      cluster.settings.stages = [stages[0]!, step(70, { pause: true }), step(90, { pause: true })];
      settle(cluster);
      assert.equal(weightOf(cluster, 'new'), 20);
      assert.equal(cluster.position.step, 0);
      cluster.now += 10 * MINUTE;
      settle(cluster);
      assert.equal(weightOf(cluster, 'new'), 70);
      assert.equal(cluster.position.step, 1);
      cluster.request('promote');
      settle(cluster);
      assert.equal(weightOf(cluster, 'new'), 90);
      assert.equal(cluster.position.step, 2);
    });

    it('starts another strategy at its first step and does not reduce the traffic', () => {
      const cluster = delivering();
      const blueGreen = {
        strategy: 'BlueGreen',
        stages: [step(0, { pause: true })],
        canaryPods: 'full',
      } as const;
      Object.assign(cluster.settings, blueGreen);
      settle(cluster);
      assert.equal(weightOf(cluster, 'new'), 20);
      assert.equal(cluster.revisions.get('new')?.replicas, 5);
      cluster.request('promote');
      settle(cluster);
      assert.equal(cluster.position.stable, 'new');
    });

    it('does not carry over a desired share that was not effective to another strategy', () => {
      const cluster = delivering();
      cluster.revision('new').ready = 0;
      cluster.reconcile();
      assert.equal(weightOf(cluster, 'new'), 0);
      Object.assign(cluster.settings, {
        strategy: 'BlueGreen',
        stages: [step(0, { pause: true })],
        canaryPods: 'full',
      });
      cluster.reconcile();
      cluster.revision('new').ready = 1;
      assert.equal(cluster.reconcile().traffic.effectiveWeight, 0, 'before all of its pods are ready');
      settle(cluster);
      assert.deepEqual(cluster.route, { weights: { old: 100 }, header: 'new' });
    });

    it('does not reduce the traffic without a router, and records the time of the first traffic', () => {
      const cluster = settledOn({ stages: [step(25, { pause: true })], replicas: 3, split: 'replicas' });
      cluster.target = 'new';
      settle(cluster);
      assert.ok(cluster.position.firstTrafficAt);
      Object.assign(cluster.settings, { strategy: 'BlueGreen', stages: [step(0, { pause: true })] });
      cluster.reconcile();
      assert.equal(cluster.position.floor, 25);
      assert.deepEqual(cluster.route, { weights: {}, byPods: true });
    });

    it('ignores a promote request for a step of another strategy', () => {
      const cluster = delivering();
      cluster.request('promote');
      cluster.reconcile();
      Object.assign(cluster.settings, {
        strategy: 'BlueGreen',
        stages: [step(0, { pause: true })],
        canaryPods: 'full',
      });
      settle(cluster);
      assert.equal(cluster.position.update, 'new', 'the switch was not requested');
      cluster.request('promote');
      settle(cluster);
      assert.equal(cluster.position.stable, 'new');
    });

    it('restarts the hold of the current step when its weight is raised', () => {
      const cluster = delivering();
      cluster.now += 9 * MINUTE;
      cluster.settings.stages = [step(60, { holdMs: 10 * MINUTE }), ...stages.slice(1)];
      settle(cluster);
      cluster.now += 6 * MINUTE;
      settle(cluster);
      assert.equal(cluster.position.step, 0);
      cluster.now += MINUTE;
      settle(cluster);
      assert.equal(cluster.position.step, 1);
    });

    it('scales both revisions when replicas is raised, and keeps the weight', () => {
      const cluster = delivering();
      cluster.settings.replicas = 10;
      settle(cluster);
      assert.equal(weightOf(cluster, 'new'), 20);
      assert.deepEqual(
        [cluster.revisions.get('old')?.replicas, cluster.revisions.get('new')?.replicas],
        [10, 2],
      );
    });

    it('starts a newer image at the first step, and immediately removes the traffic of the superseded one', () => {
      const cluster = delivering();
      cluster.target = 'newer';
      cluster.migrate('newer');
      const plan = cluster.reconcile();
      assert.deepEqual(plan.route?.weights, { old: 100 });
      assert.deepEqual(
        plan.decisions.map(({ type }) => type),
        ['Superseded', 'Started'],
      );
      settle(cluster);
      assert.equal(cluster.position.step, 0);
      assert.equal(weightOf(cluster, 'newer'), 20);
    });
  });

  it('removes stable pods so that the total does not exceed maxSurge', () => {
    const cluster = settledOn({ stages: [step(50, { pause: true })], replicas: 4, maxSurge: 1 });
    cluster.target = 'new';
    settle(cluster);
    assert.equal(weightOf(cluster, 'new'), 50);
    const pods = [...cluster.revisions.values()].map(({ replicas }) => replicas);
    assert.ok(pods.reduce((sum, count) => sum + count) <= 5, `${pods}`);
  });

  it('has pods for its share and its mirrored requests, and mirrors less when pods are not ready', () => {
    const cluster = settledOn({ stages: [step(25, { pause: true })], replicas: 4, mirror: 50 });
    cluster.target = 'new';
    settle(cluster);
    assert.equal(cluster.revisions.get('new')?.replicas, 3);
    assert.deepEqual(cluster.route, {
      weights: { old: 75, new: 25 },
      service: 'old',
      header: 'new',
      mirror: 50,
    });
    cluster.revisions.get('new')!.ready = 2;
    cluster.reconcile();
    assert.deepEqual(cluster.route, {
      weights: { old: 75, new: 25 },
      service: 'old',
      header: 'new',
      mirror: 25,
    });
    settle(cluster);
    cluster.request('promote');
    settle(cluster);
    assert.deepEqual(cluster.route, { weights: { new: 100 } }, 'no mirroring after the promotion');
  });

  it('has the number of pods of canaryPods, and no more weight than they have capacity for', () => {
    const cluster = settledOn({ stages: [step(50, { pause: true })], replicas: 4, canaryPods: 1 });
    cluster.target = 'new';
    settle(cluster);
    assert.equal(cluster.revisions.get('new')?.replicas, 1);
    assert.equal(weightOf(cluster, 'new'), 25);
    cluster.request('promote');
    settle(cluster);
    assert.equal(cluster.position.stable, 'new');
  });

  it('is promoted when it has more pods than canaryPods from an earlier delivery', () => {
    const cluster = settledOn({ stages: [step(35)], replicas: 3, canaryPods: 1 });
    const { replicas, ready } = cluster.revision('old');
    cluster.migrate('new');
    Object.assign(cluster.revision('new'), { replicas, ready });
    cluster.target = 'new';
    settle(cluster);
    assert.equal(cluster.position.stable, 'new');
  });
});

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

describe('RollingUpdate without a router, with canaryWeight', () => {
  for (const [maxSurge, maxUnavailable] of [
    [1, 0],
    [0, 1],
    [2, 1],
  ] as const) {
    it(`keeps pods of both revisions, with maxSurge ${maxSurge} and maxUnavailable ${maxUnavailable}`, () => {
      for (const canaryWeight of [1, 34, 50, 67, 80, 99]) {
        const rolling = { strategy: 'RollingUpdate', split: 'replicas', retireDelayMs: 0 } as const;
        const cluster = settledOn({ ...rolling, maxSurge, maxUnavailable, canaryWeight });
        cluster.target = 'new';
        settle(cluster);
        const [old, young] = [cluster.revision('old').replicas, cluster.revision('new').replicas];
        assert.ok(
          old > 0 && young > 0 && old + young <= 3 + maxSurge,
          `${canaryWeight} %: ${old} and ${young}`,
        );
        assert.equal(cluster.position.stable, 'old');
        if (canaryWeight === 67) assert.deepEqual([old, young], [1, 2]);
      }
    });
  }
});

describe('RollingUpdate with a router', () => {
  const rolling = { strategy: 'RollingUpdate', split: 'exact', maxSurge: 1, retireDelayMs: 0 } as const;

  /** Planned routes with more than one revision, until nothing changes. */
  function routesOf(cluster: ModelCluster) {
    const routes = Array.from({ length: 60 }, () => {
      const { route } = cluster.reconcile();
      cluster.heal();
      cluster.now += 2_100;
      return route!;
    });
    return routes.filter(({ weights }) => Object.keys(weights).length > 1);
  }

  it('the Service selects both revisions while both have a share, and only the new one afterwards', () => {
    const cluster = settledOn({ ...rolling, replicas: 4 });
    assert.deepEqual(cluster.route, { weights: { old: 100 } });
    cluster.target = 'new';
    const shared = routesOf(cluster);
    assert.ok(shared.length > 0);
    for (const { service } of shared) assert.equal(service, '*');
    assert.deepEqual(cluster.route, { weights: { new: 100 } });
    assert.equal(cluster.position.stable, 'new');
  });

  it('the Service selects only the stable revision while pods of another revision have no share', () => {
    const serviceWith = (pods: number) => {
      const view = (name: string, ready: number, replicas = ready) =>
        ({ name, ready, replicas, migration: 'Succeeded' }) as const;
      const observation = {
        target: 'third',
        // The second revision was superseded, and keeps the share that the stable pods have no capacity for yet.
        revisions: [view('old', 1, 4), view('second', 3), view('third', 0, pods)],
        position: { stable: 'old', update: 'third' },
        route: { weights: { old: 25, second: 75 }, service: '*' },
        ...{ routeAgeMs: MINUTE, startable: true },
      };
      const { route } = plan(observation, deliverySettings({ ...rolling, replicas: 4 }), 0);
      assert.deepEqual(route?.weights, { old: 25, second: 75 });
      return route.service;
    };
    assert.equal(serviceWith(0), '*');
    assert.equal(serviceWith(1), 'old');
  });

  it('the Service selects only the stable revision with strategy Canary', () => {
    const cluster = settledOn({ strategy: 'Canary', maxSurge: 1, canaryWeight: 50, replicas: 4 });
    cluster.target = 'new';
    for (const { service } of routesOf(cluster)) assert.equal(service, 'old');
  });
});

describe('a new route', () => {
  it('has time to reach every proxy before pods that lost their share are removed', () => {
    const cluster = settledOn({ canaryWeight: 50, replicas: 4 });
    cluster.target = 'new';
    settle(cluster);
    assert.equal(cluster.revisions.get('new')?.replicas, 2);
    cluster.settings.canaryWeight = 10;
    cluster.reconcile();
    assert.equal(cluster.reconcile().replicas.new, 2, 'the route was read back just now');
    cluster.now += 2_000;
    assert.equal(cluster.reconcile().replicas.new, 1);
  });
});
