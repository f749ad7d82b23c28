import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import type { DeliveryPlan } from '../../../operator/delivery/delivery-plan.js';
import type { DeliverySpec } from '../../../operator/delivery/delivery-spec.js';
import type { Observation, RouteView } from '../../../operator/delivery/observation.js';
import { pendingContracts } from '../../../operator/delivery/rollback-floor.js';
import { ALL_REVISIONS } from '../../../operator/delivery/route-share.js';
import { sameRoute } from '../../../operator/delivery/routing.js';
import { podsForTraffic, podsToRetain } from '../../../operator/delivery/weight.js';
import { deliverySettings } from '../../support/delivery-settings.js';
import { propertyRuns, RUN_FACTOR } from '../../support/property-runs.js';
import { type Fault, type Lagging, ModelCluster } from './model-cluster.js';
import { told } from './model-status.js';

type Step = (cluster: ModelCluster) => DeliveryPlan | undefined;

interface Labelled {
  run: Step;
  /** For the counterexample. */
  [fc.toStringMethod]: () => string;
}

/** What happens to the cluster, by others' doing. */
const event = (label: string, change: (cluster: ModelCluster) => unknown): Labelled => ({
  [fc.toStringMethod]: () => label,
  run: (cluster) => {
    change(cluster);
    return undefined;
  },
});
const reconcile = (fault?: Fault): Labelled => ({
  [fc.toStringMethod]: () =>
    fault ? `reconcile, ${fault.how} at wave ${fault.wave}, ${fault.which}` : 'reconcile',
  run: (cluster) => cluster.reconcile(fault),
});

const name = fc.constantFrom('a', 'b', 'c', 'd');
const fault: fc.Arbitrary<Fault> = fc.record({
  how: fc.constantFrom('killed', 'killed', 'refused'),
  wave: fc.nat(4),
  which: fc.nat(7),
});
const jobState = fc.constantFrom('Running' as const, 'Succeeded' as const, 'Failed' as const);
const stage = fc.constantFrom('expand' as const, 'backfill' as const, 'contract' as const);
const weight = fc.option(fc.integer({ min: 0, max: 100 }), { nil: undefined });

const split = fc.constantFrom<DeliverySpec['split']>('exact', 'replicas');
const stretch = fc.record({
  weight: fc.integer({ min: 0, max: 100 }),
  holdMs: fc.constantFrom(0, 1_000, 60_000),
  pause: fc.boolean(),
});
const strategies: fc.Arbitrary<Partial<DeliverySpec>> = fc.oneof(
  fc.record({ stages: fc.array(stretch, { maxLength: 4 }) }),
  fc.record({ stages: fc.array(stretch, { maxLength: 3 }), mirror: fc.integer({ min: 1, max: 100 }) }),
  fc.record({
    stages: fc.array(stretch, { maxLength: 3 }),
    maxSurge: fc.integer({ min: 1, max: 2 }),
  }),
  fc.record({ stages: fc.array(stretch, { maxLength: 2 }), canaryPods: fc.integer({ min: 1, max: 4 }) }),
  fc.record({
    strategy: fc.constant('BlueGreen' as const),
    canaryPods: fc.constant('full' as const),
    stages: fc.boolean().map((pause) => [{ weight: 0, holdMs: 0, pause }]),
    retireDelayMs: fc.constant(300_000),
  }),
  fc.constantFrom([1, 0], [0, 1], [2, 1]).map(([maxSurge, maxUnavailable]) => ({
    strategy: 'RollingUpdate' as const,
    maxSurge,
    maxUnavailable: maxUnavailable!,
    retireDelayMs: 0,
  })),
);
/** A route that somebody else made of ours. */
const foreignRoute: fc.Arbitrary<RouteView | undefined> = fc.option(
  fc.tuple(name, name, fc.integer({ min: 1, max: 99 })).map(([one, other, share]) => ({
    weights: one === other ? { [one]: 100 } : { [one]: share, [other]: 100 - share },
  })),
  { nil: undefined },
);

const step: fc.Arbitrary<Labelled> = fc.oneof(
  { weight: 4, arbitrary: fc.constant(reconcile()) },
  { weight: 3, arbitrary: fault.map(reconcile) },
  { weight: 3, arbitrary: fc.constant(event('heal', (c) => c.heal())) },
  { weight: 2, arbitrary: name.map((target) => event(`target ${target}`, (c) => (c.target = target))) },
  {
    weight: 2,
    arbitrary: weight.map((w) => event(`weight ${w}`, (c) => (c.settings.canaryWeight = w))),
  },
  {
    weight: 1,
    arbitrary: fc
      .integer({ min: 0, max: 5 })
      .map((n) => event(`replicas ${n}`, (c) => (c.settings.replicas = n))),
  },
  { weight: 1, arbitrary: strategies.map((to) => event(JSON.stringify(to), (c) => change(c.settings, to))) },
  { weight: 1, arbitrary: fc.boolean().map((p) => event(`paused ${p}`, (c) => (c.settings.paused = p))) },
  { weight: 1, arbitrary: fc.boolean().map((s) => event(`startable ${s}`, (c) => (c.startable = s))) },
  {
    weight: 2,
    arbitrary: fc.tuple(name, fc.nat(5)).map(([n, ready]) =>
      event(`${n}: ${ready} ready`, (c) => {
        const state = c.revisions.get(n);
        if (state) state.ready = Math.min(ready, state.replicas);
      }),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(name, stage, jobState).map(([n, which, state]) =>
      event(`${n}: ${which} ${state}`, (c) => {
        const jobs = c.revisions.get(n)?.jobs;
        // A Job that ended stays so: nothing here takes a migration back.
        if (jobs?.[which] === 'Running') jobs[which] = state;
      }),
    ),
  },
  {
    weight: 1,
    arbitrary: name.map((n) =>
      event(`${n}: its last pods end`, (c) => {
        const revision = c.revisions.get(n);
        if (revision) revision.leaving = 0;
      }),
    ),
  },
  { weight: 1, arbitrary: fc.constant(event('the status is lost', (c) => c.loseStatus())) },
  {
    weight: 1,
    arbitrary: fc
      .integer({ min: -7_200_000, max: 7_200_000 })
      .map((ms) => event(`the clock is set by ${ms} ms`, (c) => c.setClock(ms))),
  },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom('promote', 'full', 'abort', 'retry')
      .map((what) => event(what, (c) => c.request(what))),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(name, fc.boolean())
      .map(([n, crashes]) => event(`${n}: ${crashes ? 'crashes' : 'is well'}`, (c) => c.crash(n, crashes))),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom(
        undefined,
        'Running' as const,
        'Passed' as const,
        'Failed' as const,
        'Unavailable' as const,
      )
      .map((verdict) => event(`analysis ${verdict}`, (c) => (c.verdict = verdict))),
  },
  {
    weight: 1,
    arbitrary: foreignRoute.map((route) =>
      event(`somebody makes the route ${JSON.stringify(route?.weights)}`, (c) => {
        const isMadeHere = Object.keys(route?.weights ?? {}).every((revision) => c.revisions.has(revision));
        const isWhole = Object.keys(route?.weights ?? {}).length < 2 || c.settings.split === 'exact';
        if (isMadeHere && isWhole && c.hasStatus) c.editRoute(route);
      }),
    ),
  },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom<Lagging>('pods', 'jobs', 'route', 'spec')
      .map((what) => event(`the cache of ${what} lags`, (c) => c.lag(what))),
  },
  {
    weight: 2,
    arbitrary: fc.integer({ min: 0, max: 60_000 }).map((ms) => event(`${ms} ms pass`, (c) => c.pass(ms))),
  },
);

/** What an edit of the strategy changes, and nothing else. */
function change(settings: DeliverySpec, to: Partial<DeliverySpec>): void {
  const { strategy, stages, canaryPods, maxUnavailable, retireDelayMs } = deliverySettings();
  Object.assign(settings, {
    ...{ strategy, stages, canaryPods, maxUnavailable, retireDelayMs },
    ...{ mirror: undefined, maxSurge: undefined },
    ...to,
  });
}

const contractDelayMs = fc.constantFrom(0, 30_000, 3_600_000);
const settings = fc
  .tuple(split, strategies, contractDelayMs)
  .map(([split, strategy, contractDelayMs]) => ({ ...strategy, split, contractDelayMs }));
/** Single steps seldom make a whole delivery, and what is past a promotion is worth a look too. */
const wholeDelivery = fc
  .tuple(name, fc.nat(12))
  .map(([target, rounds]) => [
    event(`target ${target}`, (c) => (c.target = target)),
    ...Array.from({ length: rounds }, () => [
      reconcile(),
      event('all goes well for 2 s', (c) => c.goWell(2_000)),
    ]).flat(),
  ]);
const chapter = fc.oneof(
  { weight: 10, arbitrary: step.map((one) => [one]) },
  { weight: 1, arbitrary: wholeDelivery },
);
const chapters = fc.array(chapter, { maxLength: 60, size: 'large' });
const history = fc.record({ with: settings, steps: chapters.map((all) => all.flat()) });

/** A reconcile, looked at from outside. */
interface Moment {
  /** What the planner was shown. */
  seen: Observation;
  settings: DeliverySpec;
  plan: DeliveryPlan;
  /** Ready pods as they truly were before, and as they are now. */
  readyBefore: Map<string, number>;
  /** The route as it truly was. */
  routeBefore: RouteView | undefined;
  cluster: ModelCluster;
}

function replay(
  { with: settings, steps }: { with: Partial<DeliverySpec>; steps: Labelled[] },
  check: (moment: Moment) => void = () => {},
): ModelCluster {
  const cluster = new ModelCluster(settings);
  for (const { run } of steps) {
    const seen = cluster.observe();
    const readyBefore = readyPods(cluster);
    const routeBefore = cluster.route;
    const { settings } = cluster.shown();
    const plan = run(cluster);
    if (plan) check({ seen, settings, plan, readyBefore, routeBefore, cluster });
  }
  return cluster;
}

const readyPods = ({ revisions }: ModelCluster) =>
  new Map([...revisions].map(([revision, { ready }]) => [revision, ready]));
const viewOf = ({ seen }: Moment, revision: string | undefined) =>
  seen.revisions.find((view) => view.name === revision);
const isReady = (moment: Moment, revision: string | undefined) => (viewOf(moment, revision)?.ready ?? 0) > 0;
const shares = (route: RouteView | undefined) =>
  Object.entries(route?.weights ?? {}).filter(([, share]) => share > 0);

/** Whether this plan only puts a lost position on record. */
const isRecovering = ({ seen: { position }, plan }: Moment) =>
  !position.stable && !position.update && plan.position.stable !== undefined;

function leavesAllAsItIs({ seen, plan }: Moment): void {
  assert.ok(sameRoute(plan.route, seen.route), 'it changes the route');
  for (const { name: revision, replicas } of seen.revisions)
    assert.equal(plan.replicas[revision] ?? 0, replicas, `pods of ${revision}`);
}

/** What holds of every plan, whatever happened before. */
const promises: Record<string, (moment: Moment) => void> = {
  'no weight and no header goes to a revision without a ready pod, as long as one of the two has any'(
    moment,
  ) {
    const { route, position } = moment.plan;
    if (route?.header) assert.ok(isReady(moment, route.header), `header route to ${route.header}`);
    if (!isReady(moment, position.stable) && !isReady(moment, position.update)) return;
    for (const [revision, share] of shares(route))
      assert.ok(isReady(moment, revision), `${share} % to ${revision}`);
  },

  'weights are whole, and add up to 100'({ plan: { route } }) {
    if (!route) return;
    const weights = Object.values(route.weights);
    assert.ok(weights.every((share) => Number.isInteger(share) && share >= 0));
    assert.equal(
      weights.reduce((sum, share) => sum + share, 0),
      100,
    );
  },

  'a canary with a ready pod has its header route, once its schema is there'(moment) {
    const { route, position } = moment.plan;
    if (moment.settings.split !== 'exact' || !position.stable || !isReady(moment, position.update)) return;
    const begins = moment.seen.position.startedAt !== position.startedAt;
    const isMigrated = viewOf(moment, position.update)?.migration === 'Succeeded';
    if (position.rerunMigrations && (begins || !isMigrated)) return;
    assert.equal(route?.header, position.update);
  },

  'what is aborted, called off or replaced gets no more traffic than it had, unless nothing else is ready'(
    moment,
  ) {
    const { seen, plan } = moment;
    if (moment.settings.split !== 'exact' || !isReady(moment, plan.position.stable)) return;
    for (const [revision, share] of shares(plan.route)) {
      if (revision === plan.position.stable || revision === plan.position.update) continue;
      assert.ok(share <= (seen.route?.weights[revision] ?? 0), `${share} % to ${revision}`);
    }
  },

  'no pod starts before its migrations are done'(moment) {
    for (const [revision, wanted] of Object.entries(moment.plan.replicas)) {
      const had = viewOf(moment, revision)?.replicas ?? 0;
      if (wanted > 0 && had === 0) assert.equal(viewOf(moment, revision)?.migration, 'Succeeded', revision);
    }
  },

  'no weight goes to a revision before expand and backfill are done'({ plan: { route }, cluster }) {
    for (const [revision] of shares(route)) {
      const { expand, backfill } = cluster.revisions.get(revision)?.jobs ?? {};
      assert.deepEqual([revision, expand, backfill], [revision, 'Succeeded', 'Succeeded']);
    }
  },

  'no contract begins while a pod lives that needs what goes, and none starts after'({ cluster }) {
    assert.deepEqual(cluster.broken(), [], `pods that can't live with ${[...cluster.schema]}`);
    for (const [revision, { replicas }] of cluster.revisions) {
      if (replicas > 0 && revision !== cluster.position.stable && cluster.schema.has('B'))
        assert.notEqual(revision, 'a', 'a gets pods below the floor');
    }
  },

  'no contract begins before the soak is over, whatever the clock does'({ plan, settings, cluster }) {
    if (plan.job?.stage !== 'contract') return;
    assert.ok(cluster.now >= Date.parse(plan.position.promotedAt!) + settings.contractDelayMs!);
    assert.equal(plan.position.update, undefined);
  },

  'the Service selects no pod of a revision that has no share'({ plan: { route }, seen }) {
    // A recovered position changes nothing of the route that was read back.
    if (route?.service !== ALL_REVISIONS || route === seen.route) return;
    for (const { name, replicas, ready } of seen.revisions)
      assert.ok((replicas === 0 && ready === 0) || route.weights[name]! > 0, `${name} has pods and no share`);
  },

  'no pods are taken from a revision that the route still leads to'(moment) {
    if (moment.settings.split !== 'exact') return;
    for (const [revision, share] of shares(moment.seen.route)) {
      const had = viewOf(moment, revision)?.replicas ?? 0;
      const needed = Math.min(had, podsToRetain(share, podsForTraffic(moment.settings)));
      assert.ok((moment.plan.replicas[revision] ?? 0) >= needed, `${revision} carries ${share} %`);
    }
  },

  'no pod that is ready goes where that leaves fewer than were promised, of those that serve'(moment) {
    const { plan, routeBefore, readyBefore, cluster, settings } = moment;
    const { stable, update } = plan.position;
    // Without a router what is behind the Service serves; with one, what the route leads to.
    const behind = settings.split === 'replicas' ? [update] : [];
    const serving = [
      ...new Set([stable, ...behind, ...shares(routeBefore ?? plan.route).map(([revision]) => revision)]),
    ].filter((revision) => revision !== undefined);
    // By a cache that lags it can only promise what that shows.
    const isKnown = (revision: string) => viewOf(moment, revision)?.ready === readyBefore.get(revision);
    if (!serving.every(isKnown) || !sameRoute(moment.seen.route, routeBefore)) return;
    const sum = (ready: Map<string, number>) =>
      serving.reduce((total, revision) => total + (ready.get(revision) ?? 0), 0);
    const promised = podsForTraffic(settings);
    const [before, after] = [sum(readyBefore), sum(readyPods(cluster))];
    assert.ok(after >= Math.min(before, promised), `${after} of ${before}, ${promised} were promised`);
  },

  'a third revision has pods only as long as a route needs them, once the one on its way gets some'({
    seen,
    plan,
    settings,
    cluster,
  }) {
    const { stable, update, retiring = [] } = plan.position;
    if (!update || !plan.replicas[update]) return;
    for (const revision of Object.keys(plan.replicas)) {
      if (revision === stable || revision === update) continue;
      const isRouted = [seen.route, plan.route].some(
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

  'the status says what is planned, and why where that is not what was asked'(moment) {
    const { plan, seen, cluster } = moment;
    const { summary, status } = told(cluster, seen, plan);
    assert.ok(summary.reason && summary.message && !/undefined|NaN/.test(summary.message), summary.message);
    const { desiredWeight, effectiveWeight, verified, reason } = status.traffic!;
    if (plan.position.update && plan.route && !plan.route.byPods)
      assert.equal(effectiveWeight, plan.route.weights[plan.position.update] ?? 0);
    if (desiredWeight !== effectiveWeight || !verified) assert.ok(reason, 'the traffic has no reason');
    const holds = (type: string) => status.conditions?.find((one) => one.type === type)?.status === 'True';
    assert.equal(['Ready', 'Reconciling', 'Stalled'].filter(holds).length, 1);
    const stable = seen.revisions.find((view) => view.name === plan.position.stable);
    const isAway = stable?.ready === 0 && (plan.replicas[stable.name] ?? 0) > 0;
    const degraded = status.conditions!.find(({ type }) => type === 'Degraded')!;
    assert.equal(degraded.reason === 'StableUnavailable', isAway);
    const isWeak = stable !== undefined && stable.ready < (plan.replicas[stable.name] ?? 0);
    if (isWeak || status.phase === 'Degraded') assert.equal(degraded.status, 'True', status.phase);
    assert.equal(plan.position.failed !== undefined, status.failed?.reason !== undefined);
  },
};

/** The same histories each time; others, and more of them: PLAN_SEED=7 PCF_TEST_RUNS=20 npx mocha dist/test/unit/delivery/plan.property.test.js */
function runs(full: number) {
  const { PLAN_SEED = '20261126' } = process.env;
  return { seed: Number(PLAN_SEED), numRuns: propertyRuns(full) };
}

describe('plan, at every crash point and in any order of events', () => {
  it('keeps every promise above', function () {
    this.timeout(60_000 * Math.max(1, RUN_FACTOR));
    fc.assert(
      fc.property(history, (past) => {
        replay(past, (moment) => {
          if (isRecovering(moment)) return leavesAllAsItIs(moment);
          for (const [promise, check] of Object.entries(promises)) {
            try {
              check(moment);
            } catch (error) {
              throw new Error(`broken: ${promise}: ${(error as Error).message}`, { cause: error });
            }
          }
        });
      }),
      { ...runs(3_000), includeErrorInReport: true },
    );
  });

  it('ends as asked or aborted, with a status that agrees and a reason, and then changes nothing', function () {
    this.timeout(60_000 * Math.max(1, RUN_FACTOR));
    fc.assert(
      fc.property(history, (past) => {
        const cluster = replay(past);
        cluster.calm();
        for (let round = 0; round < 60; round++) {
          cluster.reconcile();
          cluster.heal();
          cluster.request('promote');
          cluster.pass(301_000);
        }
        const { stable, update, failed } = cluster.position;
        const asked = cluster.settings.canaryWeight ?? 100;
        const settled = cluster.observe();
        const plan = cluster.reconcile();
        assert.ok(
          [stable, update, failed?.revision].includes(cluster.target) || plan.refused,
          'the target is neither stable, nor on its way, nor aborted, nor refused',
        );
        if (asked === 100 && !failed && !plan.refused) {
          assert.equal(stable, cluster.target);
          assert.deepEqual(pendingContracts(cluster.position), [], 'in the end the schema is contracted');
        }
        assert.deepEqual(plain(cluster.observe()), plain(settled), 'it continues writing');

        const { summary, status } = told(cluster, settled, plan);
        if (summary.verdict === 'InProgress') assert.equal(summary.reason, 'WeightLimited', summary.message);
        assert.ok(status.traffic?.verified);
        const pods = [...cluster.revisions].filter(([, { replicas }]) => replicas > 0);
        assert.deepEqual(
          status.revisions
            ?.filter(({ replicas }) => replicas > 0)
            .map((it) => [it.name, it.replicas, it.readyReplicas])
            .sort(),
          pods.map(([revision, { replicas, ready }]) => [revision, replicas, ready]).sort(),
        );
        assert.ok(pods.every(([revision]) => revision === stable || revision === update));
        for (const { name: revision, weight } of cluster.route?.byPods ? [] : (status.revisions ?? []))
          assert.equal(weight, cluster.route?.weights[revision] ?? 0);
      }),
      runs(1_000),
    );
  });

  it('never requeues immediately once a reconcile changes nothing, so that no expired time is a busy loop', () => {
    const ages = fc.integer({ min: 0, max: 7_200_000 });
    fc.assert(
      fc.property(history, ages, (past, ageMs) => {
        const cluster = replay(past);
        cluster.catchUp();
        cluster.pass(ageMs);
        let plan = cluster.reconcile();
        for (let round = 0; round < 20; round++) {
          const before = plain(cluster.observe());
          plan = cluster.reconcile();
          if (isDeepStrictEqual(plain(cluster.observe()), before)) break;
        }
        const { requeueAfterMs } = plan;
        assert.ok(requeueAfterMs === undefined || requeueAfterMs > 0, `requeueAfterMs ${requeueAfterMs}`);
      }),
      runs(1_000),
    );
  });

  it('never has fewer ready pods than it promised, by anything it does itself', () => {
    fc.assert(
      fc.property(
        settings,
        fc.integer({ min: 1, max: 6 }),
        fc.array(fc.boolean(), { maxLength: 80 }),
        (given, replicas, ready) => {
          const cluster = new ModelCluster({ ...given, replicas });
          deliver(cluster, 'a', []);
          deliver(cluster, 'b', ready);
          assert.equal(cluster.position.stable, 'b', 'a delivery without disturbance ends');
        },
      ),
      runs(2_000),
    );
  });

  it('makes no more pods in a rolling update than maxSurge allows', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 1, max: 8 }),
        split,
        (maxSurge, replicas, split) => {
          const cluster = new ModelCluster({
            strategy: 'RollingUpdate',
            maxSurge,
            replicas,
            split,
            retireDelayMs: 0,
          });
          deliver(cluster, 'a', []);
          cluster.target = 'b';
          for (let round = 0; round < 200 && cluster.position.stable !== 'b'; round++) {
            cluster.reconcile();
            const total = [...cluster.revisions.values()].reduce((sum, state) => sum + state.replicas, 0);
            assert.ok(total <= replicas + maxSurge, `${total} pods`);
            cluster.heal();
            cluster.now += 3_000;
          }
          assert.equal(cluster.position.stable, 'b');
        },
      ),
      runs(500),
    );
  });
});

const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

/** Delivers a revision; of its pods one more becomes ready each time `ready` says so, and all in the end. */
function deliver(cluster: ModelCluster, target: string, ready: boolean[]): void {
  cluster.target = target;
  const { settings } = cluster;
  const promised = cluster.position.stable ? settings.replicas - settings.maxUnavailable : 0;
  for (let round = 0; round < 300 && cluster.position.stable !== target; round++) {
    cluster.reconcile();
    const total = [...cluster.revisions.values()].reduce((sum, state) => sum + state.ready, 0);
    assert.ok(total >= promised, `${total} ready pods, ${promised} were promised`);
    for (const state of cluster.revisions.values()) {
      for (const stage of ['expand', 'backfill'] as const) {
        if (state.jobs[stage] === 'Running') state.jobs[stage] = 'Succeeded';
      }
      if (ready[round] ?? true) state.ready = Math.min(state.replicas, state.ready + 1);
    }
    cluster.request('promote');
    cluster.now += 61_000;
  }
}
