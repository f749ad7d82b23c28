/** Pods of the API. */
import assert from 'node:assert/strict';
import { ALL_REVISIONS } from '../../../../operator/delivery/route-share.js';
import { sameRoute } from '../../../../operator/delivery/routing.js';
import { podsForTraffic, podsToRetain } from '../../../../operator/delivery/weight.js';
import { type Invariants, readyPods, shares, viewOf } from './moment.js';

export const podsInvariants: Invariants = {
  'no pod starts before its migrations succeeded'(moment) {
    for (const [revision, desired] of Object.entries(moment.plan.replicas)) {
      const had = viewOf(moment, revision)?.replicas ?? 0;
      if (desired > 0 && had === 0) assert.equal(viewOf(moment, revision)?.migration, 'Succeeded', revision);
    }
  },

  'a revision with a weight keeps the pods that its weight needs'(moment) {
    if (moment.settings.split !== 'exact') return;
    for (const [revision, share] of shares(moment.observation.route)) {
      const had = viewOf(moment, revision)?.replicas ?? 0;
      const needed = Math.min(had, podsToRetain(share, podsForTraffic(moment.settings)));
      assert.ok((moment.plan.replicas[revision] ?? 0) >= needed, `${revision} has a weight of ${share} %`);
    }
  },

  'no ready pod is removed if fewer serving pods than promised would remain'(moment) {
    const { plan, routeBefore, readyBefore, cluster, settings } = moment;
    const { stable, update } = plan.position;
    // Without a router, all pods of the Service serve. With a router, the revisions of the route do. A route of
    // another field manager may select no ready pod: the one that replaces it loses nothing.
    const behind = settings.split === 'replicas' ? [update] : [];
    const isServing = shares(routeBefore).some(([revision]) => (readyBefore.get(revision) ?? 0) > 0);
    const routed = shares(isServing ? routeBefore : plan.route).map(([revision]) => revision);
    const serving = [...new Set([stable, ...behind, ...routed])].filter((revision) => revision !== undefined);
    // The invariant applies only if the caches are up to date.
    const isKnown = (revision: string) => viewOf(moment, revision)?.ready === readyBefore.get(revision);
    if (!serving.every(isKnown) || !sameRoute(moment.observation.route, routeBefore)) return;
    const sum = (ready: Map<string, number>) =>
      serving.reduce((total, revision) => total + (ready.get(revision) ?? 0), 0);
    const promised = podsForTraffic(settings);
    const [before, after] = [sum(readyBefore), sum(readyPods(cluster))];
    assert.ok(after >= Math.min(before, promised), `${after} of ${before}, ${promised} were promised`);
  },

  'a third revision has pods only while a route needs them, after the update gets pods'({
    observation,
    plan,
    settings,
    cluster,
  }) {
    const { stable, update, retiring = [] } = plan.position;
    if (!update || !plan.replicas[update]) return;
    for (const revision of Object.keys(plan.replicas)) {
      if (revision === stable || revision === update) continue;
      const isRouted = [observation.route, plan.route].some(
        (it) =>
          it?.weights[revision] ||
          it?.header === revision ||
          [revision, ALL_REVISIONS].includes(it?.service ?? ''),
      );
      const since = retiring.find((one) => one.revision === revision)?.since ?? '';
      const isSettling = cluster.now - Date.parse(since) < settings.settleMs;
      assert.ok(isRouted || isSettling, `${revision} keeps its pods`);
    }
  },
};
