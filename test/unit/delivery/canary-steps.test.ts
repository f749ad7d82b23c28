import assert from 'node:assert/strict';
import { ModelCluster } from './model-cluster.js';
import { MINUTE, settle, settledOn, step, weightOf } from './settled-cluster.js';

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
