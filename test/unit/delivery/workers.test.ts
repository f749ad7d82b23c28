import assert from 'node:assert/strict';
import { migrationReportSchema } from '../../../contract/image.js';
import type { DeliverySpec } from '../../../operator/delivery/delivery-spec.js';
import { unreadableJobs } from '../../../operator/delivery/job-payloads.js';
import type { Observation, RevisionView } from '../../../operator/delivery/observation.js';
import { plan } from '../../../operator/delivery/plan.js';
import { workerShare } from '../../../operator/delivery/planned-workers.js';
import { deliverySettings } from '../../support/cluster/delivery-settings.js';

const now = Date.parse('2026-11-30T10:00:00Z');
const startedAt = '2026-11-30T09:00:00Z';

type Workers = { replicas: number; ready: number };
const workers = (ready: number, replicas = ready): Workers => ({ ready, replicas });
const revision = (name: string, more: Partial<RevisionView> = {}): RevisionView => ({
  ...{ name, replicas: 3, ready: 3, migration: 'Succeeded', contracts: [], ahead: [] },
  ...more,
});

/** A canary whose pods are ready, with the weight read back from the route. */
const canaryAt = (
  weight: number,
  { old, fresh, ...more }: { old: Workers; fresh: Workers } & Partial<RevisionView>,
): Observation => ({
  target: 'new',
  revisions: [revision('old', { workers: old }), revision('new', { workers: fresh, ...more })],
  position: { stable: 'old', update: 'new', startedAt, strategy: 'Canary', weight },
  route: { weights: { old: 100 - weight, new: weight }, service: 'old', header: 'new' },
  routeAgeMs: 60_000,
  startable: true,
});
const spec = (canaryWeight: number, more: Partial<DeliverySpec> = {}): DeliverySpec => ({
  ...deliverySettings(),
  ...{ canaryWeight, workers: { replicas: 4, minWeight: 1 }, ...more },
});

describe('workerShare', () => {
  it('is the nearest number of workers, and at least one of each revision between 0 and 100', () => {
    const table: [full: number, weight: number, share: number][] = [
      [4, 0, 0],
      [4, 1, 1],
      [4, 25, 1],
      [4, 50, 2],
      [4, 99, 3],
      [4, 100, 4],
      [1, 1, 1],
      [1, 100, 1],
      [10, 33, 3],
    ];
    for (const [full, weight, share] of table)
      assert.equal(workerShare(full, weight), share, `${weight} % of ${full}`);
  });

  it('is 0 below minWeight', () => {
    assert.deepEqual([workerShare(4, 24, 25), workerShare(4, 25, 25)], [0, 1]);
  });
});

describe('workers in a delivery', () => {
  const planned = (observation: Observation, settings: DeliverySpec) =>
    plan(observation, settings, now).workers;

  it('are none of the new revision at weight 0, and none while its migrations are pending', () => {
    const at0 = canaryAt(0, { old: workers(4), fresh: workers(0) });
    assert.deepEqual(planned(at0, spec(0)), { old: 4 });
    const running = canaryAt(50, { old: workers(4), fresh: workers(2), migration: 'Running' });
    assert.deepEqual(planned(running, spec(50)), { old: 4 });
  });

  it('start before the stable ones stop, which retains the number of workers', () => {
    const starting = canaryAt(50, { old: workers(4), fresh: workers(0, 2) });
    assert.deepEqual(planned(starting, spec(50)), { old: 4, new: 2 });
    const oneReady = canaryAt(50, { old: workers(4), fresh: workers(1, 2) });
    assert.deepEqual(planned(oneReady, spec(50)), { old: 3, new: 2 });
    const settled = canaryAt(50, { old: workers(2), fresh: workers(2) });
    assert.deepEqual(planned(settled, spec(50)), { old: 2, new: 2 });
  });

  it('with one worker are one of each revision, also at weight 100 until the promotion', () => {
    const single = { workers: { replicas: 1, minWeight: 1 } };
    for (const weight of [5, 95, 100]) {
      const observation = canaryAt(weight, { old: workers(1), fresh: workers(1) });
      const [first] = observation.revisions;
      const held = { ...observation, analysis: { verdict: 'Running', message: 'running' } as const };
      assert.equal(first?.name, 'old');
      assert.deepEqual(planned(held, spec(weight, single)), { old: 1, new: 1 }, `${weight} %`);
    }
  });

  it('of the new revision stop one by one as stable ones are ready, when the weight is lowered', () => {
    const at = (old: Workers, fresh: Workers, weight: number) =>
      planned(canaryAt(75, { old, fresh }), spec(weight));
    assert.deepEqual(at(workers(1), workers(3), 25), { old: 3, new: 3 });
    assert.deepEqual(at(workers(2, 3), workers(3), 25), { old: 3, new: 2 });
    assert.deepEqual(at(workers(3), workers(2), 25), { old: 3, new: 1 });
    assert.deepEqual(at(workers(1), workers(3), 0), { old: 4, new: 3 });
    assert.deepEqual(at(workers(4), workers(1), 0), { old: 4 });
    assert.deepEqual(at(workers(1), workers(0, 3), 0), { old: 4 }, 'what is not ready does not wait');
  });

  const failed = {
    revision: 'new',
    reason: 'AbortRequested',
    message: 'an abort was requested',
    at: startedAt,
  };
  const aborted = (
    old: Workers,
    fresh: Workers,
    more: Partial<Observation['position']> = {},
  ): Observation => ({
    ...canaryAt(75, { old, fresh }),
    position: { stable: 'old', failed, ...more },
    route: { weights: { old: 100 }, service: 'old' },
  });

  it('of an aborted revision stop at once if a stable one is ready, and otherwise continue until one is', () => {
    const afterFailure = (old: Workers) => {
      const observation = canaryAt(75, { old, fresh: workers(3) });
      const analysis = { verdict: 'Failed', message: 'jobFailureRate 0.2' } as const;
      const next = plan({ ...observation, analysis }, spec(75), now);
      assert.equal(next.position.failed?.reason, 'AnalysisFailed');
      return next.workers;
    };
    assert.deepEqual(afterFailure(workers(1)), { old: 4 });
    assert.deepEqual(afterFailure(workers(0, 1)), { old: 4, new: 3 });
    assert.deepEqual(planned(aborted(workers(1, 4), workers(3)), spec(75)), { old: 4 });
    assert.deepEqual(planned(aborted(workers(0, 4), workers(3)), spec(75)), { old: 4, new: 3 });
    assert.deepEqual(planned(aborted(workers(0, 4), workers(0, 3)), spec(75)), { old: 4 }, 'they crash');
  });

  it('of a stable revision that lacks Redis do not start, and no others wait for them', () => {
    const lacking = { ...workers(0), lacksRedis: true } as const;
    const at = (weight: number, fresh: Workers) =>
      planned(canaryAt(weight, { old: lacking, fresh }), spec(weight));
    assert.deepEqual(at(0, workers(0)), {});
    assert.deepEqual(at(50, workers(0)), { new: 2 });
    assert.deepEqual(at(25, workers(3)), { new: 1 });
    assert.deepEqual(planned(aborted(lacking, workers(3)), spec(75)), {});
    const ready = { ...canaryAt(100, { old: lacking, fresh: workers(4) }), route: { weights: { new: 100 } } };
    const promoted = plan(ready, spec(100), now);
    assert.deepEqual([promoted.position.stable, promoted.workers], ['new', { new: 4 }]);
  });

  it('of a revision that its analysis rejected stop after scaleDownDelay, even if stable ones cannot start', () => {
    const since = (ms: number) => new Date(now - ms).toISOString();
    const plannedAfter = (ms: number) =>
      planned(
        aborted(workers(0, 4), workers(3), {
          failed: { ...failed, reason: 'AnalysisFailed' },
          retiring: [{ revision: 'new', since: since(ms) }],
        }),
        spec(75, { retireDelayMs: 30_000 }),
      );
    assert.deepEqual([plannedAfter(29_000), plannedAfter(31_000)], [{ old: 4, new: 3 }, { old: 4 }]);
  });

  it('of an aborted undo continue until those of the stable revision are ready again', () => {
    const undo: Observation = {
      ...canaryAt(0, { old: workers(4), fresh: workers(0) }),
      position: { stable: 'new', failed: { ...failed, revision: 'old' } },
      target: 'old',
      route: { weights: { new: 100 } },
    };
    assert.deepEqual(planned(undo, spec(5)), { new: 4, old: 4 });
  });

  it('are ready before the promotion, which keeps them and one worker for an undo', () => {
    const waiting = canaryAt(100, { old: workers(1), fresh: workers(3, 4) });
    const { position, promotionWaitsFor } = plan(waiting, spec(100), now);
    assert.equal(position.stable, 'old');
    assert.equal(promotionWaitsFor, 'its workers: 3 of 4 are ready');
    const at100 = canaryAt(100, { old: workers(1), fresh: workers(4) });
    const ready = { ...at100, route: { weights: { new: 100 } } };
    const promoted = plan(ready, spec(100), now);
    assert.deepEqual([promoted.position.stable, promoted.workers], ['new', { new: 4, old: 1 }]);
  });

  it('of an undone revision stop one by one as those of the earlier revision are ready', () => {
    const undo = (earlier: Workers): Observation => ({
      ...canaryAt(0, { old: earlier, fresh: workers(4) }),
      target: 'old',
      position: { stable: 'new', previous: 'old', startedAt, strategy: 'Canary' },
      route: { weights: { new: 100 } },
    });
    assert.deepEqual(planned(undo(workers(1)), spec(5)), { old: 4, new: 3 });
    assert.deepEqual(planned(undo(workers(4)), spec(5)), { old: 4 });
    assert.deepEqual(planned(undo(workers(0)), spec(5)), { old: 4, new: 4 });
  });

  it('stay on the stable revision until the promotion without a canary of the worker', () => {
    const observation = canaryAt(50, { old: workers(0), fresh: workers(0) });
    assert.deepEqual(planned(observation, spec(50, { workers: undefined })), {});
  });

  it('that are not ready exceed the progress deadline', () => {
    const observation = canaryAt(50, { old: workers(4), fresh: workers(0, 2) });
    const progress = { migration: 'Succeeded', step: 0, paused: false, startable: true } as const;
    const at = new Date(now - 601_000).toISOString();
    const position = { ...observation.position, progress: { ...progress, replicas: 5, ready: 3, at } };
    const { failed } = plan({ ...observation, position }, spec(50), now).position;
    assert.deepEqual(
      [failed?.reason, failed?.message],
      ['ProgressDeadlineExceeded', 'no progress for 600 s: 3 of 5 pods are ready'],
    );
  });
});

describe('unreadableJobs', () => {
  const payloads = (writes: number, readsFrom: number, readsTo = readsFrom) => ({
    deliver: { writes, readsFrom, readsTo },
  });
  const between = (old: object | undefined, fresh: object | undefined) =>
    unreadableJobs({ name: 'old', payloads: old as never }, { name: 'new', payloads: fresh as never });

  it('is empty if both revisions read what both queue', () => {
    assert.deepEqual(between(payloads(1, 1), payloads(1, 1, 2)), [], 'reads the next version first');
    assert.deepEqual(between(payloads(1, 1, 2), payloads(2, 1, 2)), [], 'writes it in the next release');
    assert.deepEqual(between(payloads(2, 1, 2), payloads(2, 2)), [], 'then stops reading the first version');
    assert.deepEqual(between(payloads(1, 1), { ...payloads(1, 1), added: { writes: 7 } }), [], 'a new queue');
    assert.deepEqual(between(undefined, undefined), []);
  });

  it('names the version, the queue and both revisions', () => {
    assert.deepEqual(between(payloads(1, 1), payloads(2, 1, 2)), [
      'old cannot read version 2 of deliver jobs, which new queues',
    ]);
    assert.deepEqual(between(payloads(1, 1), payloads(2, 2)), [
      'old cannot read version 2 of deliver jobs, which new queues',
      'new cannot read version 1 of deliver jobs, which old queues',
    ]);
    assert.deepEqual(between(payloads(1, 1), {}), ['new does not process deliver jobs, which old queues']);
  });

  it('does not use an invalid report, which a status could not store, and accepts the rest of it', () => {
    const report = { outcome: 'nothing', current: null, applied: [], pending: [], durationMs: 0 };
    const jobsOf = (jobs: unknown) => migrationReportSchema.parse({ ...report, jobs }).jobs;
    assert.deepEqual(jobsOf(payloads(2, 1, 2)), payloads(2, 1, 2));
    const many = Array.from({ length: 101 }, (_, n) => [`q${n}`, payloads(1, 1).deliver]);
    for (const invalid of [payloads(1.5, 1), payloads(-1, 1), { deliver: [1, 2] }, Object.fromEntries(many)])
      assert.equal(jobsOf(invalid), undefined, JSON.stringify(invalid).slice(0, 60));
  });

  it('treats an image that reports nothing as one of version 1', () => {
    assert.equal(between(undefined, payloads(2, 1, 2)).length, 1);
    assert.equal(between(payloads(2, 2), undefined).length, 2);
    assert.deepEqual(between(undefined, payloads(1, 1)), []);
  });
});

describe('jobs that the other revision cannot read', () => {
  const of = (writes: number, readsFrom: number, readsTo: number) => ({ q: { writes, readsFrom, readsTo } });
  const observation = (more: Partial<Observation['position']> = {}): Observation => {
    const given = canaryAt(0, { old: workers(4), fresh: workers(0), jobs: of(2, 2, 2) });
    const knownMigrations = [
      { revision: 'old', migrations: [], jobs: of(1, 1, 1) },
      { revision: 'new', migrations: [] },
    ];
    return { ...given, position: { ...given.position, knownMigrations, ...more } };
  };
  const stages = [{ weight: 25, holdMs: 0, pause: false }];

  it('hold the weight at 0, with the reason in traffic and step, and record the report', () => {
    const next = plan(observation(), { ...spec(0), canaryWeight: undefined, stages }, now);
    const message = 'old cannot read version 2 of q jobs, which new queues; and 1 more';
    assert.deepEqual(
      [next.traffic.desiredWeight, next.traffic.effectiveWeight, next.traffic.reason, next.jobsIncompatible],
      [25, 0, message, message],
    );
    assert.match(next.step!.waitingFor!, /components\.worker\.canary to be disabled/);
    assert.deepEqual(next.workers, { old: 4 });
    assert.deepEqual(next.position.knownMigrations?.at(-1)?.jobs, of(2, 2, 2));
  });

  it('do not hold an undo, a revision that was stable, or a delivery without a canary of the worker', () => {
    const weightOf = (given: Observation, more: Partial<DeliverySpec> = {}) =>
      plan(given, spec(30, more), now).traffic.effectiveWeight;
    assert.equal(weightOf(observation({ undo: true })), 100);
    assert.equal(weightOf(observation({ served: ['new'] })), 30);
    assert.equal(weightOf(observation(), { workers: undefined }), 30);
  });
});
