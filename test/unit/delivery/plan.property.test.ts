import assert from 'node:assert/strict';
import fc from 'fast-check';
import { pendingContracts } from '../../../operator/delivery/rollback-floor.js';
import type { DeliveryPlan, DeliverySettings, RevisionView } from '../../../operator/delivery/types.js';
import { carryingPods, podsKeeping } from '../../../operator/delivery/weight.js';
import { type CrashPoint, ModelCluster } from './model-cluster.js';

type Step = (cluster: ModelCluster) => DeliveryPlan | undefined;

const quietly =
  (change: (cluster: ModelCluster) => void): Step =>
  (cluster) => {
    change(cluster);
    return undefined;
  };
const name = fc.constantFrom('a', 'b', 'c', 'd');
const crash = fc.constantFrom<CrashPoint>(
  'before-job',
  'before-route',
  'before-replicas',
  'before-status',
  'none',
);
const jobState = fc.constantFrom('Running' as const, 'Succeeded' as const, 'Failed' as const);
const stage = fc.constantFrom('expand' as const, 'backfill' as const, 'contract' as const);
const weight = fc.option(fc.integer({ min: 0, max: 100 }), { nil: undefined });

const step: fc.Arbitrary<{ label: string; run: Step }> = fc.oneof(
  {
    weight: 6,
    arbitrary: crash.map((point) => ({
      label: `reconcile, crash ${point}`,
      run: (c: ModelCluster) => c.reconcile(point),
    })),
  },
  { weight: 3, arbitrary: fc.constant({ label: 'heal', run: quietly((c) => c.heal()) }) },
  {
    weight: 2,
    arbitrary: name.map((target) => ({
      label: `target ${target}`,
      run: quietly((c) => {
        c.target = target;
      }),
    })),
  },
  {
    weight: 2,
    arbitrary: weight.map((w) => ({
      label: `weight ${w}`,
      run: quietly((c) => {
        c.settings.canaryWeight = w;
      }),
    })),
  },
  {
    weight: 1,
    arbitrary: fc.integer({ min: 0, max: 5 }).map((n) => ({
      label: `replicas ${n}`,
      run: quietly((c) => {
        c.settings.replicas = n;
      }),
    })),
  },
  {
    weight: 1,
    arbitrary: fc.boolean().map((p) => ({
      label: `paused ${p}`,
      run: quietly((c) => {
        c.settings.paused = p;
      }),
    })),
  },
  {
    weight: 1,
    arbitrary: fc.boolean().map((s) => ({
      label: `startable ${s}`,
      run: quietly((c) => {
        c.startable = s;
      }),
    })),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(name, fc.nat(5)).map(([n, ready]) => ({
      label: `${n}: ${ready} ready`,
      run: quietly((c) => {
        const state = c.revisions.get(n);
        if (state) state.ready = Math.min(ready, state.replicas);
      }),
    })),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(name, stage, jobState).map(([n, which, state]) => ({
      label: `${n}: ${which} ${state}`,
      run: quietly((c) => {
        const jobs = c.revisions.get(n)?.jobs;
        // A Job that ended stays so: nothing here takes a migration back.
        if (jobs?.[which] === 'Running') jobs[which] = state;
      }),
    })),
  },
  {
    weight: 1,
    arbitrary: name.map((n) => ({
      label: `${n}: its last pods end`,
      run: quietly((c) => {
        const revision = c.revisions.get(n);
        if (revision) revision.leaving = 0;
      }),
    })),
  },
  {
    weight: 1,
    arbitrary: fc.integer({ min: -7_200_000, max: 7_200_000 }).map((ms) => ({
      label: `the clock is set by ${ms} ms`,
      run: quietly((c) => {
        c.setClock(ms);
      }),
    })),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom('promote', 'full', 'abort', 'retry').map((what) => ({
      label: what,
      run: quietly((c) => c.request(what)),
    })),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(name, fc.boolean()).map(([n, crashes]) => ({
      label: `${n}: ${crashes ? 'crashes' : 'crashes no more'}`,
      run: quietly((c) => c.crash(n, crashes)),
    })),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(undefined, 'Running', 'Passed', 'Failed', 'Unavailable').map((verdict) => ({
      label: `analysis ${verdict}`,
      run: quietly((c) => {
        c.verdict = verdict as typeof c.verdict;
      }),
    })),
  },
  {
    weight: 2,
    arbitrary: fc.integer({ min: 0, max: 60_000 }).map((ms) => ({
      label: `${ms} ms pass`,
      run: quietly((c) => {
        c.now += ms;
      }),
    })),
  },
);

const split = fc.constantFrom<DeliverySettings['split']>('exact', 'replicas');
const stretch = fc.record({
  weight: fc.integer({ min: 0, max: 100 }),
  holdMs: fc.constantFrom(0, 1_000, 60_000),
  pause: fc.boolean(),
});
const strategies: fc.Arbitrary<Partial<DeliverySettings>> = fc.oneof(
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
const contractDelayMs = fc.constantFrom(0, 30_000, 3_600_000);
const settings = fc
  .tuple(split, strategies, contractDelayMs)
  .map(([split, strategy, contractDelayMs]) => ({ ...strategy, split, contractDelayMs }));
/** Single steps seldom make a whole delivery, and what is past a promotion is worth a look too. */
const wholeDelivery = fc.tuple(name, fc.nat(12)).map(([target, rounds]) => [
  { label: `target ${target}`, run: quietly((c) => (c.target = target)) },
  ...Array.from({ length: rounds }, () => [
    { label: 'reconcile', run: (c: ModelCluster) => c.reconcile() },
    { label: 'all goes well for 2 s', run: quietly((c) => c.goWell(2_000)) },
  ]).flat(),
]);
const chapter = fc.oneof(
  { weight: 10, arbitrary: step.map((one) => [one]) },
  { weight: 1, arbitrary: wholeDelivery },
);
const chapters = fc.array(chapter, { maxLength: 60, size: 'large' });
const history = fc.record({ with: settings, steps: chapters.map((all) => all.flat()) });

/** Runs a history and hands each plan, with what the planner had seen, to the check. */
function replay(
  { with: settings, steps }: { with: Partial<DeliverySettings>; steps: { run: Step }[] },
  check: (planned: DeliveryPlan, before: RevisionView[], cluster: ModelCluster) => void = () => {},
): ModelCluster {
  const cluster = new ModelCluster(settings);
  for (const { run } of steps) {
    const before = cluster.observe().revisions;
    const planned = run(cluster);
    if (planned) check(planned, before, cluster);
  }
  return cluster;
}

describe('plan, at every crash point and in any order of events', () => {
  it('gives no weight and no header to a revision without a ready pod, as long as one of the two has any', () => {
    fc.assert(
      fc.property(history, (past) => {
        replay(past, ({ route, position }, before) => {
          const ready = (revision: string | undefined) =>
            before.find((view) => view.name === revision)?.ready ?? 0;
          if (!route) return;
          if (route.header)
            assert.ok(ready(route.header) > 0, `header route to ${route.header}, which has no ready pod`);
          if (ready(position.stable) + ready(position.update) === 0) return;
          for (const [revision, share] of Object.entries(route.weights)) {
            assert.ok(
              share === 0 || ready(revision) > 0,
              `${share} % to ${revision}, which has no ready pod`,
            );
          }
        });
      }),
      { numRuns: 2000 },
    );
  });

  it('makes weights that are whole, between 0 and 100, and add up to 100', () => {
    fc.assert(
      fc.property(history, (past) => {
        replay(past, ({ route }) => {
          const shares = Object.values(route?.weights ?? { none: 100 });
          assert.ok(shares.every((share) => Number.isInteger(share) && share >= 0 && share <= 100));
          assert.equal(
            shares.reduce((sum, share) => sum + share, 0),
            100,
          );
        });
      }),
      { numRuns: 2000 },
    );
  });

  it('starts no pod before its migrations are done', () => {
    fc.assert(
      fc.property(history, (past) => {
        replay(past, ({ replicas }, before) => {
          for (const [revision, wanted] of Object.entries(replicas)) {
            const view = before.find(({ name }) => name === revision);
            const had = view?.replicas ?? 0;
            if (wanted > had && had === 0)
              assert.equal(view?.migration, 'Succeeded', `${revision} starts too early`);
          }
        });
      }),
      { numRuns: 2000 },
    );
  });

  it('gives no weight to a revision before expand and backfill are done', () => {
    fc.assert(
      fc.property(history, (past) => {
        replay(past, ({ route }, _before, cluster) => {
          for (const [revision, share] of Object.entries(route?.weights ?? {})) {
            const { expand, backfill } = cluster.revisions.get(revision)?.jobs ?? {};
            if (share > 0)
              assert.deepEqual([revision, expand, backfill], [revision, 'Succeeded', 'Succeeded']);
          }
        });
      }),
      { numRuns: 2000 },
    );
  });

  it('begins no contract while a pod lives that needs what goes, and starts none after', () => {
    fc.assert(
      fc.property(history, (past) => {
        const cluster = new ModelCluster(past.with);
        for (const { run } of past.steps) {
          run(cluster);
          assert.deepEqual(cluster.broken(), [], `pods that can't live with ${[...cluster.schema]}`);
          cluster.revisions.forEach((state, name) => {
            const asked = state.replicas > 0 && name !== cluster.position.stable;
            if (asked && cluster.schema.has('B')) assert.notEqual(name, 'a', 'a gets pods below the floor');
          });
        }
      }),
      { numRuns: 3000 },
    );
  });

  it('begins no contract before the soak is over, whatever the clock does', () => {
    fc.assert(
      fc.property(history, (past) => {
        replay(past, ({ job, position }, _before, { settings, now }) => {
          if (job?.stage !== 'contract') return;
          assert.ok(now >= Date.parse(position.promotedAt!) + settings.contractDelayMs!);
          assert.equal(position.update, undefined);
        });
      }),
      { numRuns: 2000 },
    );
  });

  it('takes no pods from a revision that the route still leads to', () => {
    fc.assert(
      fc.property(
        history.filter((past) => past.with.split === 'exact'),
        (past) => {
          const cluster = new ModelCluster(past.with);
          for (const { run } of past.steps) {
            const { route, revisions } = cluster.observe();
            const planned = run(cluster);
            for (const [revision, share] of Object.entries(planned ? (route?.weights ?? {}) : {})) {
              const had = revisions.find(({ name }) => name === revision)?.replicas ?? 0;
              const needed = Math.min(had, podsKeeping(share, carryingPods(cluster.settings)));
              assert.ok(
                (planned?.replicas[revision] ?? 0) >= needed,
                `${revision} carries ${share} % and loses its pods`,
              );
            }
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('has pods of a third revision only as long as a route needs them, once the one on its way gets some', () => {
    fc.assert(
      fc.property(history, (past) => {
        const cluster = new ModelCluster(past.with);
        for (const { run } of past.steps) {
          const seen = cluster.observe().route;
          const planned = run(cluster);
          if (!planned) continue;
          const { stable, update, retiring = [] } = planned.position;
          if (!update || !planned.replicas[update]) continue;
          for (const name of Object.keys(planned.replicas)) {
            if (name === stable || name === update) continue;
            const isRouted = [seen, planned.route].some((it) => it?.weights[name] || it?.header === name);
            const since = retiring.find(({ revision }) => revision === name)?.since ?? '';
            const isSettling = cluster.now - Date.parse(since) < cluster.settings.settleMs;
            assert.ok(isRouted || isSettling, `${name} keeps its pods`);
          }
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('converges once the disturbances end, and then changes nothing', () => {
    fc.assert(
      fc.property(history, (past) => {
        const cluster = replay(past);
        cluster.calm();
        for (let round = 0; round < 60; round++) {
          cluster.reconcile();
          cluster.heal();
          cluster.request('promote');
          cluster.now += 301_000;
        }
        const { stable, update, failed } = cluster.position;
        const asked = cluster.settings.canaryWeight ?? 100;
        const { refused } = cluster.reconcile();
        assert.ok(
          [stable, update, failed?.revision].includes(cluster.target) || refused,
          'the target is neither stable, nor on its way, nor given up, nor refused',
        );
        if (asked === 100 && !failed && !refused) {
          assert.equal(stable, cluster.target);
          assert.deepEqual(pendingContracts(cluster.position), [], 'in the end the schema is contracted');
        }
        const extra = [...cluster.revisions].filter(
          ([n, r]) => r.replicas > 0 && n !== stable && n !== update,
        );
        assert.deepEqual(extra, []);

        const settled = cluster.observe();
        cluster.reconcile();
        assert.deepEqual(JSON.parse(JSON.stringify(cluster.observe())), JSON.parse(JSON.stringify(settled)));
      }),
      { numRuns: 2000 },
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
      { numRuns: 2000 },
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
      { numRuns: 500 },
    );
  });
});

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
