import assert from 'node:assert/strict';
import type { Observation, RevisionView } from '../../../operator/delivery/observation.js';
import { plan } from '../../../operator/delivery/plan.js';
import { deliverySettings } from '../../support/cluster/delivery-settings.js';
import { ModelCluster } from './model-cluster.js';

const now = Date.parse('2026-11-23T10:00:00Z');
const settings = deliverySettings();

function revision(name: string, view: Partial<RevisionView> = {}): RevisionView {
  return { name, replicas: 3, ready: 3, migration: 'Succeeded', ...view };
}

function observation(overrides: Partial<Observation> = {}): Observation {
  return {
    target: 'new',
    revisions: [revision('old'), revision('new')],
    position: { stable: 'old', update: 'new' },
    route: { weights: { old: 100 } },
    routeAgeMs: 60_000,
    startable: true,
    ...overrides,
  };
}

describe('plan', () => {
  describe('the first delivery', () => {
    const empty = observation({ revisions: [], position: {}, route: undefined });

    it('migrates first and starts no pod', () => {
      const { migrate, replicas, route, decisions } = plan(empty, settings, now);
      assert.equal(migrate, 'new');
      assert.deepEqual(replicas, {});
      assert.equal(route, undefined);
      assert.deepEqual(decisions, [{ type: 'Started', revision: 'new' }]);
    });

    it('starts the pods after the migrations succeeded, and routes to them when one is ready', () => {
      const position = { update: 'new' };
      const migrated = { ...empty, position, revisions: [revision('new', { replicas: 0, ready: 0 })] };
      assert.deepEqual(plan(migrated, settings, now).replicas, { new: 3 });
      const oneReady = { ...empty, position, revisions: [revision('new', { ready: 1 })] };
      assert.deepEqual(plan(oneReady, settings, now).route, { weights: { new: 100 } });
    });

    it('promotes when all pods are ready and the route was read back, independently of canaryWeight', () => {
      const all = { ...empty, position: { update: 'new' }, revisions: [revision('new')] };
      assert.equal(plan(all, settings, now).position.stable, undefined);
      const routed = { ...all, route: { weights: { new: 100 } } };
      const done = plan(routed, { ...settings, canaryWeight: 10 }, now);
      assert.equal(done.position.stable, 'new');
      assert.equal(done.position.update, undefined);
      assert.deepEqual(done.decisions, [{ type: 'Promoted', revision: 'new' }]);
    });

    it('keeps the route to a first revision that is superseded before its promotion', () => {
      const serving = observation({
        revisions: [revision('first', { ready: 2 })],
        position: { update: 'first' },
        route: { weights: { first: 100 } },
      });
      const next = plan(serving, settings, now);
      assert.deepEqual(next.route, { weights: { first: 100 } });
      assert.equal(next.position.stable, 'first');
    });
  });

  describe('a route that the Gateway rejects', () => {
    const everything = observation({ route: { weights: { new: 100 }, header: 'new' } });
    const rejected = { ...everything, routeRejected: 'Gateway public rejects HTTPRoute api' };

    it('is reported as not verified with a reason, and blocks the promotion', () => {
      assert.equal(plan(everything, settings, now).position.stable, 'new');
      const { position, traffic } = plan(rejected, settings, now);
      assert.equal(position.stable, 'old');
      assert.equal(traffic.verified, false);
      assert.match(traffic.reason ?? '', /Gateway public rejects HTTPRoute api/);
    });
  });

  describe('a route that the Gateway rejects, during the steps', () => {
    const stages = [
      { weight: 10, holdMs: 60_000, pause: false },
      { weight: 50, holdMs: 60_000, pause: false },
    ];
    const stepSince = new Date(now - 61_000).toISOString();
    const position = { stable: 'old', update: 'new', step: 0, weight: 10, strategy: 'Canary' as const };
    const route = { weights: { old: 90, new: 10 }, header: 'new', service: 'old' };

    it('does not complete a step whose hold is over', () => {
      const held = observation({ position: { ...position, stepSince }, route });
      assert.equal(plan(held, { ...settings, stages }, now).position.step, 1);
      const routeRejected = 'Gateway public rejects HTTPRoute api';
      const { decisions, position: after } = plan({ ...held, routeRejected }, { ...settings, stages }, now);
      assert.deepEqual(decisions, []);
      assert.equal(after.step, 0);
    });

    it('does not start the hold of a step', () => {
      const reached = observation({ position, route });
      const started = plan(reached, { ...settings, stages }, now).position.stepSince;
      assert.equal(started, new Date(now).toISOString());
      const rejected = { ...reached, routeRejected: 'Gateway public rejects HTTPRoute api' };
      assert.equal(plan(rejected, { ...settings, stages }, now).position.stepSince, undefined);
    });
  });

  describe('the Service', () => {
    it('blocks the promotion, and the retirement of old pods, until it was read back', () => {
      const route = { weights: { new: 100 }, header: 'new', service: 'old' };
      assert.equal(plan(observation({ route }), settings, now).position.stable, 'old');
      const promoted = observation({ route, position: { stable: 'new' } });
      const { replicas, position, traffic } = plan(promoted, { ...settings, retireDelayMs: 0 }, now);
      assert.equal(replicas.old, 3);
      assert.equal(position.retiring, undefined);
      assert.equal(traffic.verified, false);
    });
  });

  describe('weight', () => {
    it('is limited to the capacity of the ready pods, with a reason', () => {
      const half = observation({ revisions: [revision('old'), revision('new', { ready: 1 })] });
      const { route, traffic } = plan(half, { ...settings, canaryWeight: 50 }, now);
      assert.deepEqual(route, { weights: { old: 67, new: 33 }, service: 'old', header: 'new' });
      assert.equal(traffic.effectiveWeight, 33);
      assert.match(traffic.reason ?? '', /1 of 3 pods of new are ready, enough for 33 %/);
    });

    it('is 0 without a ready pod, and there is no header route', () => {
      const broken = observation({ revisions: [revision('old'), revision('new', { ready: 0 })] });
      assert.deepEqual(plan(broken, { ...settings, canaryWeight: 100 }, now).route, {
        weights: { old: 100 },
      });
    });

    it('at 0 keeps only the header route and one pod', () => {
      const { route, replicas } = plan(observation(), { ...settings, canaryWeight: 0 }, now);
      assert.deepEqual(route, { weights: { old: 100 }, header: 'new' });
      assert.deepEqual(replicas, { old: 3, new: 1 });
    });

    it('is 100 for the canary when the stable revision has no ready pod', () => {
      const dying = observation({
        revisions: [revision('old', { ready: 0 }), revision('new', { ready: 1 })],
      });
      assert.deepEqual(plan(dying, { ...settings, canaryWeight: 10 }, now).route?.weights, { new: 100 });
    });

    it('is lowered and read back before pods are removed', () => {
      const at50 = observation({ route: { weights: { old: 50, new: 50 }, header: 'new' } });
      const lowered = plan(at50, { ...settings, canaryWeight: 10 }, now);
      assert.deepEqual(lowered.route?.weights, { old: 90, new: 10 });
      assert.equal(lowered.replicas.new, 2);
      const readBack = { ...at50, route: lowered.route };
      assert.equal(plan(readBack, { ...settings, canaryWeight: 10 }, now).replicas.new, 1);
    });

    it('at 100 promotes only after the route was read back', () => {
      const full = { ...settings, canaryWeight: 100 };
      const before = plan(observation(), full, now);
      assert.deepEqual(before.route?.weights, { new: 100 });
      assert.equal(before.position.stable, 'old');
      assert.equal(before.traffic.verified, false);
      const after = plan(observation({ route: before.route }), full, now);
      assert.equal(after.position.stable, 'new');
      assert.deepEqual(after.route, { weights: { new: 100 } });
    });
  });

  describe('a blocked delivery', () => {
    for (const migration of ['Pending', 'Running', 'Failed'] as const) {
      it(`starts no pod while the migration is ${migration}`, () => {
        const waiting = observation({
          revisions: [revision('old'), revision('new', { replicas: 0, ready: 0, migration })],
        });
        assert.deepEqual(plan(waiting, settings, now).replicas, { old: 3 });
      });
    }

    it('starts no pod while a Secret is missing, and does not change the stable revision', () => {
      const missing = observation({
        startable: false,
        revisions: [revision('old'), revision('new', { replicas: 0, ready: 0 })],
      });
      assert.deepEqual(plan(missing, settings, now).replicas, { old: 3 });
    });

    it('keeps the weight and starts no delivery while paused, but removes the share of a revision without ready pods', () => {
      const paused = { ...settings, paused: true, canaryWeight: 80 };
      const at33 = observation({ position: { stable: 'old', update: 'new', weight: 33 }, target: 'newer' });
      const frozen = plan(at33, paused, now);
      assert.deepEqual(frozen.route?.weights, { old: 67, new: 33 });
      assert.equal(frozen.position.update, 'new');
      assert.equal(frozen.migrate, undefined);
      const died = { ...at33, revisions: [revision('old'), revision('new', { ready: 0 })] };
      assert.deepEqual(plan(died, paused, now).route?.weights, { old: 100 });
    });
  });

  describe('a cancelled or superseded delivery', () => {
    it('immediately routes 100 % to the stable revision, and keeps the canary pods for the retire delay', () => {
      const back = observation({ target: 'old', route: { weights: { old: 50, new: 50 }, header: 'new' } });
      const first = plan(back, settings, now);
      assert.deepEqual(first.route, { weights: { old: 100 } });
      assert.equal(first.replicas.new, 3);
      assert.deepEqual(first.decisions, [{ type: 'Cancelled', revision: 'new' }]);

      const unrouted = { ...back, position: first.position, route: first.route };
      const second = plan(unrouted, settings, now);
      assert.equal(second.replicas.new, 3);
      assert.equal(second.requeueAfterMs, 30_000);

      const third = plan({ ...unrouted, position: second.position }, settings, now + 30_000);
      assert.equal(third.replicas.new, undefined);
      const removed = { ...unrouted, revisions: [revision('old')], position: third.position };
      assert.deepEqual(plan(removed, settings, now + 31_000).position.retiring, undefined);
    });

    it('does not restart the retire delay when the removal of the pods was rejected', () => {
      const route = { weights: { old: 100 } };
      const retiring = [{ revision: 'new', since: new Date(now - 30_000).toISOString() }];
      const rejected = observation({ target: 'old', route, position: { stable: 'old', retiring } });
      for (const afterMs of [0, 1, 60_000]) {
        const { position, replicas, requeueAfterMs } = plan(rejected, settings, now + afterMs);
        assert.equal(replicas.new, undefined);
        assert.deepEqual(position.retiring, retiring);
        assert.equal(requeueAfterMs, undefined);
      }
    });

    it('limits the retire delay when the clock is set back', () => {
      const outgoing = observation({
        target: 'old',
        position: { stable: 'old', retiring: [{ revision: 'new', since: '2030-01-01T00:00:00Z' }] },
      });
      assert.equal(plan(outgoing, settings, now).requeueAfterMs, 30_000);
    });

    it('immediately routes 100 % to the stable revision when a newer image supersedes the delivery', () => {
      const newer = observation({ target: 'newer', route: { weights: { old: 50, new: 50 } } });
      const next = plan(newer, { ...settings, canaryWeight: 50 }, now);
      assert.deepEqual(next.route, { weights: { old: 100 } });
      assert.equal(next.position.update, 'newer');
      assert.deepEqual(next.decisions, [
        { type: 'Superseded', revision: 'new', by: 'newer' },
        { type: 'Started', revision: 'newer' },
      ]);
    });
  });

  describe('pods of a third revision', () => {
    it('are removed before the end of the retire delay when a newer revision gets pods', () => {
      const cluster = new ModelCluster({ replicas: 3, retireDelayMs: 300_000 });
      const settle = (target: string) => {
        cluster.target = target;
        for (let round = 0; round < 12; round++) {
          cluster.reconcile();
          cluster.heal();
          cluster.now += 2_100;
        }
      };
      settle('a');
      settle('b');
      assert.deepEqual([...cluster.serving()].sort(), ['a', 'b'], 'a is available for an undo');
      cluster.settings.canaryWeight = 50;
      settle('c');
      assert.deepEqual([...cluster.serving()].sort(), ['b', 'c']);
    });
  });

  describe('without a router', () => {
    const byReplicas = deliverySettings({ split: 'replicas' });

    it('splits traffic by pods and reports the resulting weight', () => {
      const canary = observation({
        revisions: [revision('old'), revision('new', { replicas: 1, ready: 1 })],
      });
      const { route, traffic } = plan(canary, { ...byReplicas, canaryWeight: 10 }, now);
      assert.equal(route?.byPods, true);
      assert.equal(traffic.effectiveWeight, 25);
      assert.match(traffic.reason ?? '', /ready pods/);
    });

    it('pins the Service to the stable revision while pods of a third revision are ready', () => {
      const third = observation({ revisions: [revision('old'), revision('new'), revision('older')] });
      assert.deepEqual(plan(third, { ...byReplicas, canaryWeight: 50 }, now).route, {
        weights: { old: 100 },
      });
    });

    it('routes to the new revision when no stable pod is ready and a third revision has pods', () => {
      const unavailable = observation({
        revisions: [revision('old', { ready: 0 }), revision('new'), revision('older')],
      });
      assert.deepEqual(plan(unavailable, { ...byReplicas, canaryWeight: 50 }, now).route, {
        weights: { new: 100 },
      });
    });
  });

  it('promotes a new revision at 0 replicas without starting pods', () => {
    const idle = observation({
      revisions: [revision('old', { replicas: 0, ready: 0 }), revision('new', { replicas: 0, ready: 0 })],
    });
    const next = plan(idle, { ...settings, replicas: 0 }, now);
    assert.equal(next.position.stable, 'new');
    assert.deepEqual(next.replicas, { new: 0 });
  });

  it('reports 0 replicas as the reason why a new revision has no share', () => {
    const idle = observation({
      revisions: [revision('old', { replicas: 0, ready: 0 }), revision('new', { replicas: 0, ready: 0 })],
    });
    for (const split of ['exact', 'replicas'] as const) {
      const { traffic } = plan(idle, { ...settings, split, replicas: 0, canaryWeight: 10 }, now);
      assert.deepEqual([traffic.effectiveWeight, traffic.reason], [0, 'replicas is 0']);
    }
  });
});
