import assert from 'node:assert/strict';
import type { Observation, RouteView } from '../../../operator/delivery/observation.js';
import { inEffect, plan } from '../../../operator/delivery/plan.js';
import { deliverySettings } from '../../support/cluster/delivery-settings.js';

const now = Date.parse('2026-11-23T10:00:00Z');
const REJECTED = 'change freeze';
const live: RouteView = { weights: { old: 60, new: 40 }, header: 'new', service: 'old' };
const observation: Observation = {
  target: 'new',
  revisions: ['old', 'new'].map((name) => ({ name, replicas: 3, ready: 3, migration: 'Succeeded' })),
  position: { stable: 'old', update: 'new', startedAt: '2026-11-23T09:00:00Z' },
  route: live,
  routeAgeMs: 60_000,
  startable: true,
};

describe('inEffect', () => {
  it('returns the plan when the route in effect equals the planned route', () => {
    const planned = plan(observation, deliverySettings({ canaryWeight: 80 }), now);
    assert.equal(inEffect(observation, planned, planned.route, REJECTED), planned);
  });

  it('reports the weight that was read back when a change of the weight was rejected', () => {
    const planned = plan(observation, deliverySettings({ canaryWeight: 80 }), now);
    const { route, traffic } = inEffect(observation, planned, live, REJECTED);
    assert.deepEqual(route, live);
    assert.deepEqual(traffic, {
      ...{ desiredWeight: 80, effectiveWeight: 40, verified: false, reason: REJECTED },
    });
  });

  it('reports the share of an aborted revision when the removal of its share was rejected', () => {
    const requests = { abort: 'new@2026-11-23T09:00:00Z' };
    const planned = plan(observation, deliverySettings({ canaryWeight: 40, requests }), now);
    assert.equal(planned.position.failed?.revision, 'new');
    const { traffic } = inEffect(observation, planned, live, REJECTED);
    assert.deepEqual([traffic.desiredWeight, traffic.effectiveWeight, traffic.reason], [0, 40, REJECTED]);
  });

  it('reports the share of ready pods when the Service still selects all revisions', () => {
    const settings = deliverySettings({ split: 'replicas', requests: { abort: 'new@2026-11-23T09:00:00Z' } });
    const open: RouteView = { weights: {}, byPods: true };
    const planned = plan({ ...observation, route: open }, settings, now);
    assert.equal(inEffect(observation, planned, open, REJECTED).traffic.effectiveWeight, 50);
  });

  it('reports the share of each revision when pinning the Service to one revision was rejected', () => {
    const settings = deliverySettings({ split: 'replicas', requests: { abort: 'new@2026-11-23T09:00:00Z' } });
    const open: RouteView = { weights: {}, byPods: true };
    const planned = plan({ ...observation, route: open }, settings, now);
    assert.deepEqual(inEffect(observation, planned, open, REJECTED).route?.weights, { old: 50, new: 50 });
  });

  it('reports an effective weight of 0 when the first route was rejected', () => {
    const first = { ...observation, position: { update: 'new' }, route: undefined };
    const planned = plan(first, deliverySettings(), now);
    assert.equal(planned.traffic.effectiveWeight, 100);
    assert.equal(inEffect(first, planned, undefined, REJECTED).traffic.effectiveWeight, 0);
  });
});
