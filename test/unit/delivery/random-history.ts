/** Random histories of a delivery: events in the cluster, and reconciles that can be killed at any write. */
import fc from 'fast-check';
import { GATED_STEPS } from '../../../operator/api/v1alpha1/spec/windows.js';
import type { DeliveryPlan } from '../../../operator/delivery/delivery-plan.js';
import type { DeliverySpec } from '../../../operator/delivery/delivery-spec.js';
import type { RouteView } from '../../../operator/delivery/observation.js';
import { deliverySettings } from '../../support/cluster/delivery-settings.js';
import { propertyRuns } from '../../support/runner/property-runs.js';
import type { Lagging } from './lagging-caches.js';
import type { Fault, ModelCluster } from './model-cluster.js';

type Step = (cluster: ModelCluster) => DeliveryPlan | undefined;

export interface Labelled {
  run: Step;
  /** Label of the step in a counterexample. */
  [fc.toStringMethod]: () => string;
}

/** A change of the cluster that the operator did not make. */
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

/** The worker as part of the delivery, or not. */
const workers: fc.Arbitrary<DeliverySpec['workers']> = fc.option(
  fc.record({ replicas: fc.nat(3), minWeight: fc.constantFrom(1, 1, 50) }),
  { nil: undefined },
);
export const split = fc.constantFrom<DeliverySpec['split']>('exact', 'replicas');
const stretch = fc.record({
  weight: fc.integer({ min: 0, max: 100 }),
  holdMs: fc.constantFrom(0, 1_000, 60_000),
  pause: fc.boolean(),
});
const strategies: fc.Arbitrary<Partial<DeliverySpec>> = fc.oneof(
  fc.record({ stages: fc.array(stretch, { maxLength: 4 }) }),
  fc.record({ stages: fc.array(stretch, { maxLength: 4 }), stickyCookie: fc.constant('pcf-api') }),
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
/** The route after an edit by another field manager. */
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
  {
    weight: 1,
    arbitrary: workers.map((to) =>
      event(`workers ${JSON.stringify(to)}`, (c) => Object.assign(c.settings, { workers: to })),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(name, fc.nat(3)).map(([n, ready]) =>
      event(`${n}: ${ready} workers ready`, (c) => {
        const state = c.revisions.get(n);
        if (state) state.workers = { ...state.workers, ready: Math.min(ready, state.workers.replicas) };
      }),
    ),
  },
  { weight: 1, arbitrary: fc.boolean().map((p) => event(`paused ${p}`, (c) => (c.settings.paused = p))) },
  { weight: 1, arbitrary: fc.boolean().map((s) => event(`startable ${s}`, (c) => (c.startable = s))) },
  {
    weight: 1,
    arbitrary: fc.boolean().map((s) => event(`unsupported ${s}`, (c) => (c.isUnsupported = s))),
  },
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
        // A finished Job keeps its state, as migrations are not reverted here.
        if (jobs?.[which] === 'Running') jobs[which] = state;
      }),
    ),
  },
  {
    weight: 1,
    arbitrary: name.map((n) =>
      event(`${n}: its last pods terminate`, (c) => {
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
      .map(([n, crashes]) =>
        event(`${n}: ${crashes ? 'crashes' : 'stops crashing'}`, (c) => c.crash(n, crashes)),
      ),
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
    weight: 2,
    arbitrary: fc
      .subarray([...GATED_STEPS], { minLength: 0 })
      .map((steps) => event(`windows hold ${steps.join(', ') || 'nothing'}`, (c) => (c.held = steps))),
  },
  {
    weight: 1,
    arbitrary: foreignRoute.map((route) =>
      event(`another field manager sets the route ${JSON.stringify(route?.weights)}`, (c) => {
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

/** Changes the settings that belong to the strategy, and no others. */
function change(settings: DeliverySpec, to: Partial<DeliverySpec>): void {
  const { strategy, stages, canaryPods, maxUnavailable, retireDelayMs } = deliverySettings();
  Object.assign(settings, {
    ...{ strategy, stages, canaryPods, maxUnavailable, retireDelayMs },
    ...{ mirror: undefined, maxSurge: undefined, stickyCookie: undefined },
    ...to,
  });
}

const contractDelayMs = fc.constantFrom(0, 30_000, 3_600_000);
export const settings = fc
  .tuple(split, strategies, contractDelayMs, workers)
  .map(([split, strategy, contractDelayMs, workers]) => ({ ...strategy, split, contractDelayMs, workers }));
/** Random single steps rarely complete a delivery. This covers states after a promotion. */
const wholeDelivery = fc
  .tuple(name, fc.nat(12))
  .map(([target, rounds]) => [
    event(`target ${target}`, (c) => (c.target = target)),
    ...Array.from({ length: rounds }, () => [
      reconcile(),
      event('Jobs and pods succeed, 2 s pass', (c) => c.succeed(2_000)),
    ]).flat(),
  ]);
const segment = fc.oneof(
  { weight: 10, arbitrary: step.map((one) => [one]) },
  { weight: 1, arbitrary: wholeDelivery },
);
const segments = fc.array(segment, { maxLength: 60, size: 'large' });
export const history = fc.record({ with: settings, steps: segments.map((all) => all.flat()) });
const windowEvent = fc
  .tuple(name, fc.constantFrom('restore' as const, 'purge' as const), jobState)
  .map(([n, which, state]) => [
    event(`${which} of ${n}: ${state}`, ({ revisions }) => {
      const jobs = revisions.get(n)?.jobs;
      if (jobs && jobs[which] !== 'Absent' && jobs[which] !== 'Succeeded') jobs[which] = state;
    }),
  ]);
/** Whole deliveries of older and newer revisions, with and without time for contract, and failed Jobs of the window. */
export const windowHistory = fc.record({
  with: settings,
  windowMs: fc.constantFrom(1_000, 60_000, 86_400_000),
  steps: fc
    .array(
      fc.oneof(
        { weight: 3, arbitrary: wholeDelivery },
        step.map((one) => [one]),
        windowEvent,
        fc.constant([event('a window ends', (c) => c.pass(120_000)), reconcile()]),
      ),
      { maxLength: 40 },
    )
    .map((all) => all.flat()),
});

/** The seed is fixed. For other and more histories: PLAN_SEED=7 PCF_TEST_RUNS=20 npx mocha 'dist/test/unit/delivery/*.property.test.js' */
export function runs(full: number) {
  const { PLAN_SEED = '20261126' } = process.env;
  return { seed: Number(PLAN_SEED), numRuns: propertyRuns(full) };
}
