/** The route: weights, header, cookie and the selector of the Service. */
import assert from 'node:assert/strict';
import { ALL_REVISIONS } from '../../../../operator/delivery/route-share.js';
import { type Invariants, isReady, shares, viewOf } from './moment.js';

export const trafficInvariants: Invariants = {
  'a revision without a ready pod has no weight and no header route, while the stable revision or the canary has one'(
    moment,
  ) {
    const { route, position } = moment.plan;
    if (route?.header) assert.ok(isReady(moment, route.header), `header route to ${route.header}`);
    if (!isReady(moment, position.stable) && !isReady(moment, position.update)) return;
    for (const [revision, share] of shares(route))
      assert.ok(isReady(moment, revision), `${share} % to ${revision}`);
  },

  'weights are integers with a sum of 100'({ plan: { route } }) {
    if (!route) return;
    const weights = Object.values(route.weights);
    assert.ok(weights.every((share) => Number.isInteger(share) && share >= 0));
    assert.equal(
      weights.reduce((sum, share) => sum + share, 0),
      100,
    );
  },

  'a cookie divides users between the canary and one other revision, both with a ready pod, or it is not set'({
    plan: { route, position },
    settings,
  }) {
    const names = Object.keys(route?.weights ?? {});
    const isDivided = names.length === 2 && names.includes(position.update!) && route?.header !== undefined;
    assert.equal(route?.sticky, isDivided ? settings.stickyCookie : undefined);
  },

  'a canary with a ready pod and completed migrations has a header route'(moment) {
    const { route, position } = moment.plan;
    if (moment.settings.split !== 'exact' || !position.stable || !isReady(moment, position.update)) return;
    const isStarting = moment.observation.position.startedAt !== position.startedAt;
    const isMigrated = viewOf(moment, position.update)?.migration === 'Succeeded';
    if (position.rerunMigrations && (isStarting || !isMigrated)) return;
    assert.equal(route?.header, position.update);
  },

  'an aborted, cancelled or superseded revision does not get more traffic while a stable pod is ready'(
    moment,
  ) {
    const { observation, plan } = moment;
    if (moment.settings.split !== 'exact' || !isReady(moment, plan.position.stable)) return;
    for (const [revision, share] of shares(plan.route)) {
      if (revision === plan.position.stable || revision === plan.position.update) continue;
      assert.ok(share <= (observation.route?.weights[revision] ?? 0), `${share} % to ${revision}`);
    }
  },

  'a revision has no weight before its expand and backfill succeeded'({ plan: { route }, cluster }) {
    for (const [revision] of shares(route)) {
      const { expand, backfill } = cluster.revisions.get(revision)?.jobs ?? {};
      assert.deepEqual([revision, expand, backfill], [revision, 'Succeeded', 'Succeeded']);
    }
  },

  'the Service selects no pods of a revision without a share'({ plan: { route }, observation }) {
    // Recovery of a position does not change the route that was read back.
    if (route?.service !== ALL_REVISIONS || route === observation.route) return;
    for (const { name, replicas, ready } of observation.revisions)
      assert.ok((replicas === 0 && ready === 0) || route.weights[name]! > 0, `${name} has pods and no share`);
  },
};
