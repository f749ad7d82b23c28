import assert from 'node:assert/strict';
import type { Observation, RouteView } from '../../../operator/delivery/observation.js';
import { inEffect, plan } from '../../../operator/delivery/plan.js';
import { deliverySettings } from '../../support/delivery-settings.js';

const now = Date.parse('2026-11-23T10:00:00Z');
const REJECTED = 'change freeze';
const live: RouteView = { weights: { old: 60, new: 40 }, header: 'new', service: 'old' };
const seen: Observation = {
  target: 'new',
  revisions: ['old', 'new'].map((name) => ({ name, replicas: 3, ready: 3, migration: 'Succeeded' })),
  position: { stable: 'old', update: 'new', startedAt: '2026-11-23T09:00:00Z' },
  route: live,
  routeAgeMs: 60_000,
  startable: true,
};

describe('inEffect', () => {
  it('returns the plan where the route is as it was planned', () => {
    const planned = plan(seen, deliverySettings({ canaryWeight: 80 }), now);
    assert.equal(inEffect(seen, planned, planned.route, REJECTED), planned);
  });

  it('reports the weight that was read back where a change of the weight was rejected', () => {
    const planned = plan(seen, deliverySettings({ canaryWeight: 80 }), now);
    const { route, traffic } = inEffect(seen, planned, live, REJECTED);
    assert.deepEqual(route, live);
    assert.deepEqual(traffic, {
      ...{ desiredWeight: 80, effectiveWeight: 40, verified: false, reason: REJECTED },
    });
  });

  it('reports the share that an aborted revision keeps where its removal was rejected', () => {
    const requests = { abort: 'new@2026-11-23T09:00:00Z' };
    const planned = plan(seen, deliverySettings({ canaryWeight: 40, requests }), now);
    assert.equal(planned.position.failed?.revision, 'new');
    const { traffic } = inEffect(seen, planned, live, REJECTED);
    assert.deepEqual([traffic.desiredWeight, traffic.effectiveWeight, traffic.reason], [0, 40, REJECTED]);
  });

  it('reports the share of ready pods where the Service stays open to all revisions', () => {
    const settings = deliverySettings({ split: 'replicas', requests: { abort: 'new@2026-11-23T09:00:00Z' } });
    const open: RouteView = { weights: {}, byPods: true };
    const planned = plan({ ...seen, route: open }, settings, now);
    assert.equal(inEffect(seen, planned, open, REJECTED).traffic.effectiveWeight, 50);
  });

  it('reports a share of each revision where a Service that was to be pinned stays open to all', () => {
    const settings = deliverySettings({ split: 'replicas', requests: { abort: 'new@2026-11-23T09:00:00Z' } });
    const open: RouteView = { weights: {}, byPods: true };
    const planned = plan({ ...seen, route: open }, settings, now);
    assert.deepEqual(inEffect(seen, planned, open, REJECTED).route?.weights, { old: 50, new: 50 });
  });

  it('reports 0 where the first route was rejected', () => {
    const first = { ...seen, position: { update: 'new' }, route: undefined };
    const planned = plan(first, deliverySettings(), now);
    assert.equal(planned.traffic.effectiveWeight, 100);
    assert.equal(inEffect(first, planned, undefined, REJECTED).traffic.effectiveWeight, 0);
  });
});
