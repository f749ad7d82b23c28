import assert from 'node:assert/strict';
import type { Decision } from '../../../operator/delivery/delivery-plan.js';
import type { DeliverySpec } from '../../../operator/delivery/delivery-spec.js';
import { plan, undoTarget } from '../../../operator/delivery/plan.js';
import { deliverySettings } from '../../support/delivery-settings.js';
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

/** Reconciles and lets every pod become ready, until nothing changes any more at this moment. */
function settle(cluster: ModelCluster): void {
  for (let round = 0; round < 40; round++) {
    cluster.reconcile();
    cluster.heal();
    cluster.now += 2_100;
  }
}

const weightOf = (cluster: ModelCluster, name: string) => cluster.route?.weights[name] ?? 0;

describe('a canary with steps', () => {
  const stages = [step(20, { holdMs: 10 * MINUTE }), step(50, { pause: true }), step(80)];

  function delivering(): ModelCluster {
    const cluster = settledOn({ stages, replicas: 5 });
    cluster.target = 'new';
    settle(cluster);
    return cluster;
  }

  it('holds a step as long as it says, from when its weight is in force', () => {
    const cluster = delivering();
    assert.equal(weightOf(cluster, 'new'), 20);
    const plan = cluster.reconcile();
    assert.match(plan.step?.waitingFor ?? '', /the hold of 10m to end/);
    assert.ok(plan.requeueAfterMs! > 0 && plan.requeueAfterMs! <= 10 * MINUTE);
    cluster.now += 10 * MINUTE;
    settle(cluster);
    assert.equal(weightOf(cluster, 'new'), 50);
  });

  it('waits at a pause until somebody says continue, of this step and this delivery', () => {
    const cluster = delivering();
    cluster.now += 10 * MINUTE;
    settle(cluster);
    cluster.settings.requests.promote = `new@2020-01-01T00:00:00.000Z/Canary/1`;
    settle(cluster);
    cluster.settings.requests.promote = `new@${cluster.position.startedAt}/Canary/0`;
    settle(cluster);
    assert.equal(cluster.position.step, 1, 'neither another delivery nor another step was meant');
    cluster.request('promote');
    settle(cluster);
    assert.equal(cluster.position.stable, 'new');
  });

  it('skips all steps when it is promoted in full', () => {
    const cluster = delivering();
    cluster.request('full');
    settle(cluster);
    assert.equal(cluster.position.stable, 'new');
  });

  it('waits for the analysis, and says so', () => {
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

  it('goes by no verdict on an earlier step, however good', () => {
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

  it('holds a step of 100 % too before it is promoted', () => {
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
      it(`is promoted by a good verdict alone: ${JSON.stringify(given)}`, () => {
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

    it('is aborted by a bad one, and promoted by hand whatever it says', () => {
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

  it('is not promoted while what measures is away, though its steps are done', () => {
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

  describe('that is edited while it runs', () => {
    it('canaryWeight is in force at once, and the steps continue where they were when it is taken out', () => {
      const cluster = delivering();
      cluster.settings.canaryWeight = 40;
      settle(cluster);
      assert.equal(weightOf(cluster, 'new'), 40);
      cluster.settings.canaryWeight = undefined;
      settle(cluster);
      assert.equal(weightOf(cluster, 'new'), 20);
      assert.equal(cluster.position.step, 0);
    });

    it('a longer hold counts from when the step began, and a shorter one may end it', () => {
      const cluster = delivering();
      cluster.settings.stages = [step(20, { holdMs: 20 * MINUTE }), ...stages.slice(1)];
      cluster.now += 10 * MINUTE;
      settle(cluster);
      assert.equal(cluster.position.step, 0);
      cluster.settings.stages = [step(20, { holdMs: 5 * MINUTE }), ...stages.slice(1)];
      settle(cluster);
      assert.equal(cluster.position.step, 1);
    });

    it("another weight of the step it is at is that step's weight now, and steps cut off are done", () => {
      const cluster = delivering();
      cluster.settings.stages = [step(60, { holdMs: 10 * MINUTE })];
      settle(cluster);
      assert.equal(weightOf(cluster, 'new'), 60);
      assert.equal(cluster.position.step, 0);
      cluster.settings.stages = [];
      settle(cluster);
      assert.equal(cluster.position.stable, 'new');
    });

    it('another weight of a later step is there when it comes, and steps added behind leave its number', () => {
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

    it('another strategy begins at its first step and takes no traffic back', () => {
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

    it('gives another strategy no share that was asked for and never reached', () => {
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

    it('takes no traffic back without a router either, and knows when it had the first', () => {
      const cluster = settledOn({ stages: [step(25, { pause: true })], replicas: 3, split: 'replicas' });
      cluster.target = 'new';
      settle(cluster);
      assert.ok(cluster.position.firstTrafficAt);
      Object.assign(cluster.settings, { strategy: 'BlueGreen', stages: [step(0, { pause: true })] });
      cluster.reconcile();
      assert.equal(cluster.position.floor, 25);
      assert.deepEqual(cluster.route, { weights: {}, byPods: true });
    });

    it('takes no request to continue for one about a step of another strategy', () => {
      const cluster = delivering();
      cluster.request('promote');
      cluster.reconcile();
      Object.assign(cluster.settings, {
        strategy: 'BlueGreen',
        stages: [step(0, { pause: true })],
        canaryPods: 'full',
      });
      settle(cluster);
      assert.equal(cluster.position.update, 'new', 'nobody asked for the switch');
      cluster.request('promote');
      settle(cluster);
      assert.equal(cluster.position.stable, 'new');
    });

    it('a raised weight of the step it is at begins its hold again', () => {
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

    it('more replicas bring more pods to both revisions, at the weight it had', () => {
      const cluster = delivering();
      cluster.settings.replicas = 10;
      settle(cluster);
      assert.equal(weightOf(cluster, 'new'), 20);
      assert.deepEqual(
        [cluster.revisions.get('old')?.replicas, cluster.revisions.get('new')?.replicas],
        [10, 2],
      );
    });

    it('a newer image begins at the first step; the one before it loses its traffic at once', () => {
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

  it('keeps no more pods than maxSurge allows: stable pods make room', () => {
    const cluster = settledOn({ stages: [step(50, { pause: true })], replicas: 4, maxSurge: 1 });
    cluster.target = 'new';
    settle(cluster);
    assert.equal(weightOf(cluster, 'new'), 50);
    const pods = [...cluster.revisions.values()].map(({ replicas }) => replicas);
    assert.ok(pods.reduce((sum, count) => sum + count) <= 5, `${pods}`);
  });

  it('gets copies of no more requests than its pods carry beside its share, and pods for both', () => {
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
    assert.deepEqual(cluster.route, { weights: { new: 100 } }, 'no copies once it is stable');
  });

  it('has as many pods as were asked for, and no more weight than they carry', () => {
    const cluster = settledOn({ stages: [step(50, { pause: true })], replicas: 4, canaryPods: 1 });
    cluster.target = 'new';
    settle(cluster);
    assert.equal(cluster.revisions.get('new')?.replicas, 1);
    assert.equal(weightOf(cluster, 'new'), 25);
    cluster.request('promote');
    settle(cluster);
    assert.equal(cluster.position.stable, 'new');
  });

  it('continues with what it carries by more pods than were asked for, left over from before', () => {
    const cluster = settledOn({ stages: [step(35)], replicas: 3, canaryPods: 1 });
    const { replicas, ready } = cluster.revision('old');
    cluster.migrate('new');
    Object.assign(cluster.revision('new'), { replicas, ready });
    cluster.target = 'new';
    settle(cluster);
    assert.equal(cluster.position.stable, 'new');
  });
});

describe('blue-green', () => {
  const blueGreen = (pause: boolean): Partial<DeliverySpec> => ({
    strategy: 'BlueGreen',
    stages: [step(0, { pause })],
    canaryPods: 'full',
    retireDelayMs: 5 * MINUTE,
  });

  it('gives the new revision nothing before all of its pods are ready, then everything', () => {
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

  it('waits for somebody to switch, and goes back in one change while the old pods run', () => {
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
      'what was undone is no short cut',
    );
    assert.deepEqual(again.route?.weights, { old: 100 });
  });
});

describe('going back', () => {
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

  it('is an undo also when the old pods are long gone, and what comes after it is none', () => {
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

  it('while the old pods run has everything at once, whatever weight is asked', () => {
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

describe('giving a delivery up', () => {
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
    assert.equal(cluster.position.update, undefined, 'it is not tried again');
  }

  it('is done at once when its pods crash', () => {
    const cluster = delivering();
    cluster.crash('new', true);
    cluster.revision('new').ready = 0;
    expectAborted(cluster, 'CrashLoop');
  });

  it('is done when its pods crash that were born in the second in which the delivery began', () => {
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

  it('takes no pod of an earlier try for evidence', () => {
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

  it('is done when the analysis fails, or by hand, even while paused', () => {
    const judged = delivering();
    judged.verdict = 'Failed';
    expectAborted(judged, 'AnalysisFailed');
    const byHand = delivering({ paused: false });
    byHand.settings.paused = true;
    byHand.request('abort');
    expectAborted(byHand, 'AbortRequested');
  });

  it('is done when pods make no progress for the deadline, and holds and pauses do not count', () => {
    const cluster = delivering({ progressDeadlineMs: 5 * MINUTE });
    cluster.now += 60 * MINUTE;
    assert.deepEqual(
      cluster.reconcile().decisions,
      [],
      'it waits for a person, which is no lack of progress',
    );
    cluster.revision('new').ready = 1;
    cluster.reconcile();
    cluster.now += 5 * MINUTE;
    expectAborted(cluster, 'ProgressDeadlineExceeded');
  });

  it('keeps a first revision whose deadline has expired, reports it, and waits for an event', () => {
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

  it('takes pods that come and go for no progress, and a pod that is missed after long for no lack of it', () => {
    const cluster = delivering({ progressDeadlineMs: 5 * MINUTE });
    cluster.now += 60 * MINUTE;
    let reason: string | undefined;
    for (let minute = 0; minute < 20 && !reason; minute++) {
      cluster.revision('new').ready = minute % 2;
      reason = cluster.reconcile().position.failed?.reason;
      cluster.now += MINUTE;
      if (minute < 5) assert.equal(reason, undefined, 'it was well for an hour');
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

  it('leaves what the stable pods can not carry where it is until they are back, and says so', () => {
    const cluster = delivering({ maxSurge: 1 });
    const stablePods = cluster.revision('old').replicas;
    assert.ok(stablePods < 4, 'the stable revision was made smaller');
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

  describe('while stable pods are missing for another reason', () => {
    const canaryOfOne = (settings: Partial<DeliverySpec> = {}) => {
      const cluster = settledOn({ stages: [step(5, { pause: true })], replicas: 10, ...settings });
      cluster.target = 'new';
      settle(cluster);
      assert.equal(weightOf(cluster, 'new'), 5);
      return cluster;
    };

    for (const [how, end] of [
      ['analysis failed', (c: ModelCluster) => (c.verdict = 'Failed')],
      ['it was called off', (c: ModelCluster) => (c.target = 'old')],
      ['a newer image came', (c: ModelCluster) => (c.target = 'newer')],
    ] as const) {
      it(`leads nothing to what failed, as the stable revision made no room for it: ${how}`, () => {
        const cluster = canaryOfOne();
        cluster.revision('old').ready = 5;
        cluster.reconcile();
        end(cluster);
        assert.deepEqual(cluster.reconcile().route?.weights, { old: 100 });
        assert.deepEqual(cluster.reconcile().route?.weights, { old: 100 });
      });
    }

    it('never leads more to what failed than it had, nor than its ready pods carry', () => {
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

    it('leads all of it to what failed only while no stable pod is ready', () => {
      const cluster = canaryOfOne();
      cluster.revision('old').ready = 0;
      cluster.verdict = 'Failed';
      assert.deepEqual(cluster.reconcile().route?.weights, { new: 100 });
      cluster.revision('old').ready = 1;
      assert.deepEqual(cluster.reconcile().route?.weights, { old: 90, new: 10 });
      cluster.revision('old').ready = 10;
      assert.deepEqual(cluster.reconcile().route?.weights, { old: 100 });
    });

    it('keeps the share that stable pods made room for, also if the operator is killed in the middle', () => {
      const cluster = delivering({ maxSurge: 1 });
      cluster.request('abort');
      cluster.reconcile(KILLED_BEFORE_STATUS);
      assert.deepEqual(cluster.reconcile().route?.weights, { old: 75, new: 25 });
    });
  });

  it('is forgotten when the spec asks for something else, and when somebody asks to try again', () => {
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

  it('leaves the way back where it was: to the stable revision, not to the one before it', () => {
    const cluster = settledOn({});
    assert.equal(undoTarget(cluster.position), undefined);
    cluster.target = 'new';
    settle(cluster);
    assert.equal(undoTarget(cluster.position), 'old');
    cluster.settings.stages = [step(50, { pause: true })];
    cluster.target = 'newer';
    settle(cluster);
    assert.equal(undoTarget(cluster.position), 'new', 'in the middle of a delivery');
    cluster.request('abort');
    settle(cluster);
    assert.equal(undoTarget(cluster.position), 'new', 'the spec asks for what was given up');
    cluster.target = 'new';
    settle(cluster);
    assert.equal(undoTarget(cluster.position), 'old', 'new is as it should be, and can be gone back from');
  });

  it('never happens to the first revision: there is nothing to go back to', () => {
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

describe('a rolling update without a router, at a live weight', () => {
  for (const [maxSurge, maxUnavailable] of [
    [1, 0],
    [0, 1],
    [2, 1],
  ] as const) {
    it(`leaves both revisions a share, with maxSurge ${maxSurge} and maxUnavailable ${maxUnavailable}`, () => {
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

describe('a rolling update with a router', () => {
  const rolling = { strategy: 'RollingUpdate', split: 'exact', maxSurge: 1, retireDelayMs: 0 } as const;

  /** Every route that is planned until nothing changes any more. */
  function routesOf(cluster: ModelCluster) {
    const routes = Array.from({ length: 60 }, () => {
      const { route } = cluster.reconcile();
      cluster.heal();
      cluster.now += 2_100;
      return route!;
    });
    return routes.filter(({ weights }) => Object.keys(weights).length > 1);
  }

  it('the Service selects both revisions while both have a share, and the new one alone after that', () => {
    const cluster = settledOn({ ...rolling, replicas: 4 });
    assert.deepEqual(cluster.route, { weights: { old: 100 } });
    cluster.target = 'new';
    const shared = routesOf(cluster);
    assert.ok(shared.length > 0);
    for (const { service } of shared) assert.equal(service, '*');
    assert.deepEqual(cluster.route, { weights: { new: 100 } });
    assert.equal(cluster.position.stable, 'new');
  });

  it('the Service selects the stable revision alone while pods of another one have no share', () => {
    const serviceWith = (pods: number) => {
      const view = (name: string, ready: number, replicas = ready) =>
        ({ name, ready, replicas, migration: 'Succeeded' }) as const;
      const seen = {
        target: 'third',
        // The second was replaced in the middle, and keeps what the stable pods can't carry yet.
        revisions: [view('old', 1, 4), view('second', 3), view('third', 0, pods)],
        position: { stable: 'old', update: 'third' },
        route: { weights: { old: 25, second: 75 }, service: '*' },
        ...{ routeAgeMs: MINUTE, startable: true },
      };
      const { route } = plan(seen, deliverySettings({ ...rolling, replicas: 4 }), 0);
      assert.deepEqual(route?.weights, { old: 25, second: 75 });
      return route.service;
    };
    assert.equal(serviceWith(0), '*');
    assert.equal(serviceWith(1), 'old');
  });

  it('with another strategy the Service selects the stable revision alone', () => {
    const cluster = settledOn({ strategy: 'Canary', maxSurge: 1, canaryWeight: 50, replicas: 4 });
    cluster.target = 'new';
    for (const { service } of routesOf(cluster)) assert.equal(service, 'old');
  });
});

describe('a route that was just written', () => {
  it('is given time to reach every proxy before pods that it led to are taken away', () => {
    const cluster = settledOn({ canaryWeight: 50, replicas: 4 });
    cluster.target = 'new';
    settle(cluster);
    assert.equal(cluster.revisions.get('new')?.replicas, 2);
    cluster.settings.canaryWeight = 10;
    cluster.reconcile();
    assert.equal(cluster.reconcile().replicas.new, 2, 'it was read back just now');
    cluster.now += 2_000;
    assert.equal(cluster.reconcile().replicas.new, 1);
  });
});
