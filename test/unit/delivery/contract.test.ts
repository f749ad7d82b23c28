import assert from 'node:assert/strict';
import { MAX_BACKUP_AGE_MS } from '../../../operator/delivery/contract.js';
import type { DeliverySpec } from '../../../operator/delivery/delivery-spec.js';
import type {
  ContractView,
  Observation,
  RevisionView,
  WindowView,
} from '../../../operator/delivery/observation.js';
import { plan } from '../../../operator/delivery/plan.js';
import { isObsolete } from '../../../operator/delivery/preparation.js';
import { deliverySettings } from '../../support/cluster/delivery-settings.js';

const HOUR = 3_600_000;
const promotedAt = '2026-11-23T10:00:00.000Z';
const soaked = Date.parse(promotedAt) + HOUR;
const settings = deliverySettings({ contractDelayMs: HOUR });
const knownMigrations = [
  { revision: 'old', migrations: [] },
  { revision: 'new', migrations: ['DropName1'] },
];
const position = { stable: 'new', previous: 'old', promotedAt, knownMigrations };
const contracted = {
  revision: 'new',
  number: 2,
  image: 'image:2',
  migrations: ['DropName1'],
  at: '2026-11-23T11:00:00.000Z',
  done: true,
};

function revision(name: string, number: number, view: Partial<RevisionView> = {}): RevisionView {
  const pods = { replicas: 3, ready: 3, pods: 3 };
  const contract = { state: 'Absent', hook: 'Disabled', attempt: 1 } as const;
  return { name, number, image: `image:${number}`, ...pods, migration: 'Succeeded', contract, ...view };
}
const scaledDown = { replicas: 0, ready: 0, pods: 0 };

function observation(over: Partial<Observation> = {}): Observation {
  return {
    target: 'new',
    revisions: [revision('old', 1, scaledDown), revision('new', 2)],
    position,
    route: { weights: { new: 100 } },
    routeAgeMs: 60_000,
    startable: true,
    ...over,
  };
}

const planFor = (over: Partial<Observation> = {}, now = soaked, changes: Partial<DeliverySpec> = {}) =>
  plan(observation(over), { ...settings, ...changes }, now);

describe('plan, contract migrations', () => {
  it('waits for the soak, requeues at its end, and reports the time of the end', () => {
    const early = planFor({}, soaked - 60_000);
    assert.equal(early.job, undefined);
    assert.equal(early.requeueAfterMs, 60_000);
    assert.match(early.contract?.waitingFor ?? '', /the soak of 3600 s to end/);
    assert.equal(early.contract?.at, '2026-11-23T11:00:00.000Z');
  });

  it('starts the contract Job after the soak, and records its migrations in the same plan', () => {
    const { job, position, decisions } = planFor();
    assert.deepEqual(job, { revision: 'new', attempt: 1, stage: 'contract' });
    assert.deepEqual(position.contracted?.migrations, ['DropName1']);
    assert.deepEqual(decisions, [{ type: 'ContractStarted', revision: 'new', migrations: ['DropName1'] }]);
  });

  it('waits for the last pod that needs the old schema, including pods that are not ready or terminating', () => {
    const leaving = { revisions: [revision('old', 1, { ...scaledDown, pods: 1 }), revision('new', 2)] };
    assert.equal(planFor(leaving).job, undefined);
    assert.equal(planFor(leaving).contract?.waitingFor, 'the last pod of old to terminate');
  });

  it('waits for pods of an unrecorded revision, unless the revision reported that it supports the new schema', () => {
    const revisions = [revision('new', 2)];
    const stuck = { revisions, unrecorded: ['older'] };
    assert.equal(planFor(stuck).job, undefined);
    assert.equal(planFor(stuck).contract?.waitingFor, 'the last pod of older to terminate');
    const reported = [...knownMigrations, { revision: 'older', migrations: ['DropName1'] }];
    const safe = planFor({ ...stuck, position: { ...position, knownMigrations: reported } });
    assert.equal(safe.job?.stage, 'contract');
    assert.ok(
      safe.position.knownMigrations?.some(({ revision }) => revision === 'older'),
      'its reported migrations are retained as long as its pods exist',
    );
  });

  it('waits until all worker pods run the new revision, because the old ReplicaSet can create pods', () => {
    assert.equal(planFor({ updating: ['api-worker'] }).job, undefined);
    assert.equal(
      planFor({ updating: ['api-worker'] }).contract?.waitingFor,
      'all pods of api-worker to run revision new',
    );
  });

  it('does not wait for pods that support the new schema: same image, or reported migrations', () => {
    const sameImage = revision('same', 3, { image: 'image:2' });
    const hotfix = revision('hotfix', 4);
    const reported = [...knownMigrations, { revision: 'hotfix', migrations: ['DropName1'] }];
    const revisions = [sameImage, hotfix, revision('new', 2)];
    assert.equal(
      planFor({ revisions, position: { ...position, knownMigrations: reported } }).job?.stage,
      'contract',
    );
    assert.equal(planFor({ revisions }).job?.stage, undefined, 'the hotfix has not reported its migrations');
  });

  it('cancels the contract on an undo, and restarts the soak with the next promotion', () => {
    const undone = planFor(
      { target: 'old', revisions: [revision('old', 1), revision('new', 2)] },
      soaked - 1,
    );
    assert.equal(undone.job, undefined);
    assert.deepEqual(
      undone.decisions.map(({ type }) => type),
      ['Started', 'ContractCancelled'],
    );
    const later = { ...position, promotedAt: '2026-11-23T12:00:00.000Z' };
    assert.equal(planFor({ position: later }, soaked + 1).job, undefined);
  });

  it('does not start early when the clock was set back, and requeues after one soak period', () => {
    const before = planFor({}, Date.parse(promotedAt) - 5 * HOUR);
    assert.equal(before.job, undefined);
    assert.equal(before.requeueAfterMs, HOUR);
  });

  it('does not start a running contract Job twice after an operator crash', () => {
    const running = { state: 'Running', hook: 'Disabled', attempt: 2 } as const;
    const revisions = [revision('old', 1, scaledDown), revision('new', 2, { contract: running })];
    const found = planFor({ revisions });
    assert.equal(found.job, undefined);
    assert.deepEqual(found.position.contracted?.migrations, ['DropName1'], 'recorded because of the Job');
  });

  it('starts no contract without contract migrations, with external migrations, or while paused', () => {
    const none = { ...position, knownMigrations: [{ revision: 'new', migrations: [] }] };
    assert.equal(planFor({ position: none }).job, undefined);
    assert.equal(planFor({ position: none }).contract, undefined);
    assert.equal(planFor({}, soaked, { contractDelayMs: undefined }).job, undefined);
    assert.match(planFor({}, soaked, { paused: true }).contract?.waitingFor ?? '', /spec.paused/);
  });

  it('in mode Manual, starts the contract only with an approval of this promotion', () => {
    const waiting = planFor({}, soaked, { approval: true });
    assert.equal(waiting.approval, `new@${promotedAt}/contract/1`);
    assert.equal(waiting.job, undefined);
    const requests = { approve: waiting.approval };
    assert.equal(planFor({}, soaked, { approval: true, requests }).job?.stage, 'contract');
    const older = { approve: 'new@2026-11-22T10:00:00.000Z/contract/1' };
    assert.equal(planFor({}, soaked, { approval: true, requests: older }).job, undefined);
  });

  it('retries a failed contract after an approval', () => {
    const failed = { state: 'Failed', hook: 'Disabled', attempt: 2 } as const;
    const revisions = [revision('old', 1, scaledDown), revision('new', 2, { contract: failed })];
    assert.equal(planFor({ revisions }).job, undefined);
    const requests = { approve: planFor({ revisions }).approval };
    assert.deepEqual(planFor({ revisions }, soaked, { requests }).job, {
      revision: 'new',
      attempt: 2,
      stage: 'contract',
    });
  });

  it('starts the contract after the beforeContract hook succeeded', () => {
    const next = (hook: 'Absent' | 'Running' | 'Succeeded' | 'Failed') => {
      const contract = { state: 'Absent', hook, attempt: 1 } as const;
      return planFor({ revisions: [revision('old', 1, scaledDown), revision('new', 2, { contract })] });
    };
    assert.equal(next('Absent').job?.stage, 'hook');
    assert.equal(next('Absent').position.contracted, undefined, 'the schema is not contracted yet');
    assert.equal(next('Running').contract?.waitingFor, 'beforeContract to succeed');
    assert.match(next('Failed').contract?.waitingFor ?? '', /because beforeContract failed/);
    assert.equal(next('Succeeded').job?.stage, 'contract');
  });

  it('runs beforeContract again if a pause or a downtime holds contract for longer than the maximum age of a backup', () => {
    const at = (ms: number) => new Date(ms).toISOString();
    const late = soaked + 2 * MAX_BACKUP_AGE_MS;
    const next = (
      { hookRun = 1, hookFinishedAt }: Partial<ContractView>,
      over: Partial<Observation> = {},
      now = soaked,
      changes: Partial<DeliverySpec> = {},
    ) => {
      const contract = { state: 'Absent', hook: 'Succeeded', attempt: 1, hookRun, hookFinishedAt } as const;
      const revisions = [revision('old', 1, scaledDown), revision('new', 2, { contract })];
      return planFor({ revisions, ...over }, now, changes);
    };
    const again = { revision: 'new', attempt: 1, stage: 'hook', run: 2 };
    const held = next({}, {}, soaked, { paused: true });
    assert.equal(held.job, undefined);
    assert.equal(held.position.beforeContractAt, at(soaked), 'the first observation of its success');
    const kept = { position: { ...position, ...held.position } };
    assert.equal(next({}, kept, soaked + MAX_BACKUP_AGE_MS).job?.stage, 'contract', 'a short hold');
    assert.deepEqual(next({}, kept, late).job, again);
    assert.equal(next({}, kept, late).position.contracted, undefined, 'the schema is not contracted yet');
    assert.deepEqual(next({ hookFinishedAt: at(soaked) }, {}, late).job, again, 'no operator ran meanwhile');

    // The next run: the record of the earlier one is dropped while it runs, and a clock that is ahead causes no third run.
    const running = { state: 'Absent', hook: 'Running', attempt: 1, hookRun: 2 } as const;
    const stale = { ...position, beforeContractAt: at(soaked) };
    const revisions = [revision('old', 1, scaledDown), revision('new', 2, { contract: running })];
    const during = planFor({ revisions, position: stale }, late);
    assert.deepEqual([during.job, during.position.beforeContractAt], [undefined, undefined]);
    const contracting = next({ hookRun: 2, hookFinishedAt: at(soaked) }, {}, late);
    assert.deepEqual(
      [contracting.job?.stage, contracting.position.beforeContractAt],
      ['contract', undefined],
    );
  });

  it('starts contract once after a backup that takes longer than the window', () => {
    const windowMs = 30 * 60_000;
    const day = 24 * HOUR;
    /** Runs a backup at the start of each window; returns the times of the Jobs, in ms after the soak. */
    const jobs = (backupMs: number, finishedAt: (startedAt: number) => number | undefined) => {
      const started: string[] = [];
      let kept: Observation['position'] = position;
      let run = 0;
      let runStartedAt = 0;
      for (let ms = 0; ms < 3 * day; ms += 5 * 60_000) {
        const hook = run === 0 ? 'Absent' : ms - runStartedAt < backupMs ? 'Running' : 'Succeeded';
        const finished = hook === 'Succeeded' ? finishedAt(runStartedAt) : undefined;
        const hookFinishedAt = finished === undefined ? undefined : new Date(soaked + finished).toISOString();
        const contract = { state: 'Absent', hook, attempt: 1, hookRun: run || 1, hookFinishedAt } as const;
        const revisions = [revision('old', 1, scaledDown), revision('new', 2, { contract })];
        const held = ms % day < windowMs ? {} : { Contract: 'the window that opens tomorrow' };
        const planned = planFor({ revisions, position: kept, gate: { held } }, soaked + ms);
        kept = planned.position;
        if (planned.job?.stage === 'hook') [run, runStartedAt] = [run + 1, ms];
        if (planned.job) started.push(`${planned.job.stage} ${ms / 60_000}`);
        if (planned.job?.stage === 'contract') break;
        if (hook === 'Running') assert.equal(planned.contract?.waitingFor, 'beforeContract to succeed');
      }
      return started;
    };
    const backupMs = 45 * 60_000;
    assert.deepEqual(
      jobs(backupMs, (startedAt) => startedAt + backupMs),
      ['hook 0', 'contract 45'],
    );
    // A VolumeSnapshot reports when it was taken, not when its upload finished.
    assert.deepEqual(
      jobs(backupMs, (startedAt) => startedAt),
      ['hook 0', 'hook 1440', 'contract 1485'],
    );
  });

  it('starts neither a backup nor contract in a freeze, nor another backup for one that became outdated', () => {
    const gate = { held: { Contract: 'the end of the freeze' } };
    const next = (hook: ContractView['hook'], beforeContractAt?: string) => {
      const contract = { state: 'Absent', hook, attempt: 1 } as const;
      const revisions = [revision('old', 1, scaledDown), revision('new', 2, { contract })];
      const now = soaked + 2 * MAX_BACKUP_AGE_MS;
      return planFor({ revisions, gate, position: { ...position, beforeContractAt } }, now);
    };
    for (const held of [
      next('Absent'),
      next('Disabled'),
      next('Succeeded', new Date(soaked).toISOString()),
    ]) {
      assert.equal(held.job, undefined);
      assert.equal(held.contract?.waitingFor, 'the end of the freeze');
    }
  });
});

describe('plan, rollback floor', () => {
  const after = { ...position, contracted };

  it('refuses an undo below the floor, and reports the dropped migrations and the oldest supported revision', () => {
    const { position, refused, route, decisions } = planFor({ target: 'old', position: after });
    assert.equal(position.update, undefined);
    assert.deepEqual([decisions, route?.weights], [[], { new: 100 }]);
    assert.match(refused ?? '', /old \(image:1\) does not support the schema/);
    assert.match(refused ?? '', /DropName1 dropped at 2026-11-23T11:00:00.000Z/);
    assert.match(refused ?? '', /the oldest supported revision is new \(image:2\)/);
  });

  it('cancels a delivery in progress when the spec changes to a revision below the floor', () => {
    const delivering = { ...after, update: 'newer', startedAt: promotedAt };
    const revisions = [revision('old', 1, scaledDown), revision('new', 2), revision('newer', 3)];
    const { position, refused } = planFor({ target: 'old', position: delivering, revisions });
    assert.equal(position.update, undefined);
    assert.ok(refused);
  });

  it('delivers a newer revision, refuses an old image with new settings, and aborts an image that lacks the contract migration', () => {
    const revisions = [revision('old', 1, scaledDown), revision('new', 2), revision('newer', 3, scaledDown)];
    assert.equal(planFor({ target: 'newer', position: after, revisions }).position.update, 'newer');
    const disguised = [...revisions.slice(0, 2), revision('again', 3, { ...scaledDown, image: 'image:1' })];
    assert.ok(planFor({ target: 'again', position: after, revisions: disguised }).refused);
    const unknown = revision('branch', 3, { ...scaledDown, contracts: [], ahead: ['DropName1'] });
    const delivering = { ...after, update: 'branch', startedAt: promotedAt };
    const { decisions } = planFor({
      target: 'branch',
      position: delivering,
      revisions: [...revisions.slice(0, 2), unknown],
    });
    assert.equal(decisions[0]?.type === 'Aborted' && decisions[0].reason, 'BelowRollbackFloor');
  });

  it('aborts a revision whose migration report is unreadable, and delivers it after the report is readable', () => {
    const delivering = { ...after, update: 'quiet', startedAt: promotedAt };
    const others = [revision('old', 1, scaledDown), revision('new', 2)];
    const quiet = (view: Partial<RevisionView>) => ({
      target: 'quiet',
      position: delivering,
      revisions: [...others, revision('quiet', 3, { ...scaledDown, ...view })],
    });
    const { decisions, position } = planFor(quiet({ unreported: true }));
    assert.equal(decisions[0]?.type === 'Aborted' && decisions[0].reason, 'BelowRollbackFloor');
    assert.match(position.failed?.message ?? '', /the report of .* could not be read, .* kubectl pcf retry/);
    const again = planFor({
      ...quiet({ contracts: ['DropMore2'], ahead: [] }),
      position: { ...delivering, knownMigrations: position.knownMigrations },
    });
    assert.deepEqual(again.decisions, []);
    assert.deepEqual(
      again.position.knownMigrations?.find(({ revision }) => revision === 'quiet')?.migrations,
      ['DropMore2', 'DropName1'],
    );
  });

  it('retries a failed delivery, and reruns its migrations with an unused attempt number', () => {
    const failed = { revision: 'newer', reason: 'AbortRequested', message: 'x', at: promotedAt };
    const revisions = [revision('new', 2), revision('newer', 3, { ...scaledDown, lastMigration: 2 })];
    const retry = { requests: { retry: `newer@${promotedAt}` } };
    const ready = [revision('new', 2), revision('newer', 3, { lastMigration: 2 })];
    const started = planFor(
      { target: 'newer', position: { ...after, failed }, revisions: ready },
      soaked,
      retry,
    );
    assert.deepEqual(
      started.route,
      { weights: { new: 100 } },
      'migrations of the earlier attempt do not count',
    );
    const continueWith = (migration: 'Running' | 'Succeeded') => {
      const revisions = [revision('new', 2), revision('newer', 3, { migration })];
      return planFor({ target: 'newer', position: started.position, revisions });
    };
    assert.deepEqual(continueWith('Running').route, { weights: { new: 100 } });
    assert.deepEqual(continueWith('Succeeded').route?.weights, { newer: 100 });
    const { position: retried } = planFor(
      { target: 'newer', position: { ...after, failed }, revisions },
      soaked,
      retry,
    );
    assert.deepEqual([retried.update, retried.attempt, retried.rerunMigrations], ['newer', 3, true]);
    const { position: newDelivery } = planFor({ target: 'newer', position: after, revisions });
    assert.deepEqual(
      [newDelivery.attempt, newDelivery.rerunMigrations],
      [undefined, undefined],
      'a delivery without a failure does not rerun the migrations',
    );
  });
});

describe('isObsolete', () => {
  const at = { stable: 'new', update: 'newer' };

  it('is true for a migration of a revision that is neither stable nor being delivered, except for a contract and its hook', () => {
    assert.equal(isObsolete(at, 'newer', 'backfill'), false);
    assert.equal(isObsolete(at, 'new', 'backfill'), false);
    for (const stage of ['plan', 'expand', 'backfill'] as const)
      assert.equal(isObsolete(at, 'other', stage), true);
    for (const stage of ['hook', 'contract'] as const) assert.equal(isObsolete(at, 'other', stage), false);
    assert.equal(isObsolete({ stable: 'new' }, 'newer', 'backfill'), true, 'the delivery was aborted');
  });
});

describe('plan, the window after contract', () => {
  const until = '2026-11-23T12:00:00.000Z';
  const hidden = [{ migration: 'DropName1', until, objects: ['column services.name'] }];
  const within = Date.parse(until) - 60_000;
  const after = Date.parse(until) + 60_000;
  const windowed = { ...position, contracted: { ...contracted, hidden } };
  const over = (window: Partial<WindowView>, more: Partial<Observation> = {}): Partial<Observation> => ({
    position: windowed,
    revisions: [
      revision('old', 1, scaledDown),
      revision('new', 2, {
        contract: {
          ...{ state: window.restore === 'Succeeded' ? 'Absent' : 'Succeeded', hook: 'Disabled', attempt: 2 },
          window: { attempt: 1, hidden, restore: 'Absent', purge: 'Absent', ...window },
        },
      }),
    ],
    ...more,
  });
  const undo = { target: 'old' };

  it('records what the contract Job has hidden, and requeues a minute after the end of the window, because clocks differ', () => {
    const first = planFor(
      over({}, { position: { ...position, contracted: { ...contracted, done: undefined } } }),
      within,
    );
    assert.deepEqual(first.position.contracted?.hidden, hidden);
    const { job, requeueAfterMs } = planFor(over({}), within);
    assert.deepEqual([job, requeueAfterMs], [undefined, 120_000]);
  });

  it('an undo below the rollback floor starts the restore Job, and nothing is delivered until it succeeded', () => {
    const { job, restoring, refused, position } = planFor(over({}, undo), within);
    assert.deepEqual(job, { revision: 'new', attempt: 1, stage: 'restore', migrations: ['DropName1'] });
    assert.equal(restoring, 'the restore of what DropName1 dropped, which old needs');
    assert.deepEqual([refused, position.update], [undefined, undefined]);
    const running = planFor(over({ restore: 'Running' }, undo), after);
    assert.deepEqual(
      [running.job, running.refused, running.position.update],
      [undefined, undefined, undefined],
    );
    assert.ok(running.restoring, 'a restore that has started is awaited, also after the end of the window');
  });

  it('after the restore, delivers the revision, and contract is pending again with a new soak', () => {
    const jobCreatedAt = '2026-11-23T11:30:00Z';
    const done = planFor(over({ restore: 'Succeeded', jobCreatedAt }, undo), within);
    assert.deepEqual(done.position.contracted, {
      ...{ ...contracted, migrations: [], restores: 1 },
      restoredAt: jobCreatedAt,
    });
    assert.equal(done.position.update, 'old');
    assert.equal(done.position.promotedAt, new Date(within).toISOString());
    assert.deepEqual(
      done.decisions.map(({ type }) => type),
      ['Started', 'ContractCancelled', 'ContractRestored'],
    );
    // A record of a revision from before the restore must not add the migrations again.
    const stale = { ...contracted, hidden };
    const revisions = [revision('old', 1), revision('new', 2, { record: { contracted: stale } })];
    const next = planFor({ ...undo, revisions, position: done.position }, within);
    assert.deepEqual(next.position.contracted?.migrations, []);
  });

  it('purges after the window, once, and then rejects an undo with the reason', () => {
    assert.deepEqual(planFor(over({}), after).job, { revision: 'new', attempt: 1, stage: 'purge' });
    assert.equal(planFor(over({}), after, { paused: true }).job, undefined);
    // The API server returns the fields in another order.
    const stored = hidden.map(({ migration, until, objects }) => ({ objects, until, migration }));
    const { position, job } = planFor(over({ purge: 'Succeeded', hidden: stored }), after);
    assert.deepEqual([position.contracted?.purged, job], [true, undefined]);
    assert.equal(position.contracted?.purgedAt, new Date(after).toISOString());
    const refused = planFor(over({ purge: 'Succeeded' }, { ...undo, position }), after);
    assert.equal(refused.job, undefined);
    assert.match(
      refused.refused ?? '',
      /dropped at .*, which was purged after its window ended at 2026-11-23T12/,
    );
  });

  it('purges only while a window is open for it', () => {
    const closed = { ...over({}), gate: { held: { Purge: 'the window that opens tomorrow' } } };
    assert.equal(planFor(closed, after).job, undefined);
    assert.equal(planFor({ ...closed, gate: { held: {} } }, after).job?.stage, 'purge');
  });

  it('purges what an earlier contract has hidden while a later one has failed, and then records the new window', () => {
    const both = [...knownMigrations, { revision: 'newer', migrations: ['DropName1', 'Drop2'] }];
    const failed = (window: Partial<WindowView>, contract: Partial<ContractView> = {}) => [
      revision('new', 2, scaledDown),
      revision('newer', 3, {
        contract: {
          ...{ state: 'Failed', hook: 'Disabled', attempt: 2 },
          window: { attempt: 1, hidden: [], restore: 'Absent', purge: 'Absent', ...window },
          ...contract,
        },
      }),
    ];
    const stable = { stable: 'newer', previous: 'new', promotedAt, knownMigrations: both };
    const given = { target: 'newer', route: { weights: { newer: 100 } }, revisions: failed({}) };
    const started = planFor({ ...given, position: { ...stable, contracted: windowed.contracted } }, within);
    assert.deepEqual(started.position.contracted?.hidden, hidden);
    assert.equal(started.position.contracted?.done, undefined);
    const { job } = planFor({ ...given, position: started.position }, after);
    assert.deepEqual(job, { revision: 'newer', attempt: 1, stage: 'purge' });
    const purged = planFor(
      { ...given, position: started.position, revisions: failed({ purge: 'Succeeded' }) },
      after,
    );
    assert.equal(purged.position.contracted?.purged, true);
    assert.deepEqual(purged.position.contracted?.unfinished, ['Drop2']);
    const later = [{ migration: 'Drop2', until: '2026-11-23T14:00:00.000Z' }];
    const revisions = failed({ attempt: 2, hidden: later }, { state: 'Succeeded' });
    const done = planFor({ ...given, position: purged.position, revisions }, after);
    assert.deepEqual(
      [
        done.position.contracted?.hidden,
        done.position.contracted?.purged,
        done.position.contracted?.unfinished,
      ],
      [later, undefined, undefined],
    );
  });

  it('restores what an earlier contract has hidden also while a later one runs or has failed', () => {
    const both = [...knownMigrations, { revision: 'newer', migrations: ['DropName1', 'Drop2'] }];
    const position = { stable: 'newer', previous: 'new', promotedAt, knownMigrations: both };
    const undone = (state: ContractView['state'], window: Partial<WindowView> = {}) => {
      const absent = { attempt: 1, hidden: [], restore: 'Absent', purge: 'Absent' } as const;
      const contract = {
        state,
        hook: 'Disabled',
        attempt: 2,
        window: { ...absent, ...window },
      } as ContractView;
      const revisions = [revision('old', 1, scaledDown), revision('newer', 3, { contract })];
      const given = { revisions, position: { ...position, contracted: windowed.contracted } };
      return planFor({ target: 'old', route: { weights: { newer: 100 } }, ...given }, within);
    };
    const running = undone('Running');
    assert.deepEqual(running.position.contracted?.unfinished, ['Drop2']);
    assert.deepEqual([running.job, running.refused], [undefined, undefined]);
    assert.match(running.restoring ?? '', /^contract to finish, before the restore of what DropName1, Drop2/);
    const migrations = ['DropName1', 'Drop2'];
    assert.deepEqual(undone('Failed').job, { revision: 'newer', attempt: 1, stage: 'restore', migrations });
    const started = undone('Failed').position;
    const restored = planFor(
      {
        ...{ target: 'old', route: { weights: { newer: 100 } }, position: started },
        revisions: [
          revision('old', 1, scaledDown),
          revision('newer', 3, {
            contract: {
              ...{ state: 'Absent', hook: 'Disabled', attempt: 2 },
              window: { attempt: 1, hidden: [], restore: 'Succeeded', purge: 'Absent' },
            },
          }),
        ],
      },
      within,
    ).position;
    const { contracted: ended, update } = restored;
    assert.deepEqual(
      [ended?.migrations, ended?.unfinished, ended?.done, update],
      [[], undefined, true, 'old'],
    );
  });

  it('rejects an undo if one of the migrations that the revision does not support is not hidden, or the restore failed', () => {
    const mixed = { ...contracted, hidden, migrations: ['DropName1', 'Delete2'] };
    const irreversible = planFor(over({}, { ...undo, position: { ...position, contracted: mixed } }), within);
    assert.equal(irreversible.job, undefined);
    assert.match(irreversible.refused ?? '', /it needs what DropName1, Delete2 dropped/);
    assert.match(
      planFor(over({ restore: 'Failed' }, undo), within).refused ?? '',
      /old does not support the schema, and the restore of what DropName1 dropped, which old needs, failed/,
    );
  });

  it('an undo that waits is not rejected', () => {
    const paused = planFor(over({}, undo), within, { paused: true });
    assert.deepEqual([paused.job, paused.refused], [undefined, undefined]);
    assert.match(
      paused.restoring ?? '',
      /^spec.paused to be unset, which blocks the restore of what DropName1/,
    );
    const running = planFor(over({ restore: 'Running' }, undo), within, { paused: true });
    assert.match(running.restoring ?? '', /^the restore/);
  });

  it('a contract waits for a restore or purge of an earlier one that runs', () => {
    const both = [...knownMigrations, { revision: 'newer', migrations: ['DropName1', 'Drop2'] }];
    const stable = { stable: 'newer', previous: 'new', promotedAt, knownMigrations: both };
    const starting = (window: Partial<WindowView>) =>
      planFor(
        {
          ...{ target: 'newer', route: { weights: { newer: 100 } } },
          position: { ...stable, contracted: windowed.contracted },
          revisions: [{ ...over(window).revisions![1]!, ...scaledDown }, revision('newer', 3)],
        },
        within,
      );
    assert.equal(starting({}).job?.stage, 'contract');
    for (const stage of ['restore', 'purge'] as const) {
      const waiting = starting({ [stage]: 'Running' });
      assert.notEqual(waiting.job?.stage, 'contract');
      assert.match(waiting.contract?.waitingFor ?? '', new RegExp(`the ${stage} of earlier contract`));
    }
  });

  it('a revision that was aborted because it lacks a contract migration restores nothing until its retry', () => {
    const failed = { revision: 'stale', reason: 'BelowRollbackFloor', message: 'x', at: promotedAt };
    const revisions = [...over({}).revisions!, revision('stale', 3, scaledDown)];
    const known = [...knownMigrations, { revision: 'stale', migrations: [] }];
    const aborted = { ...windowed, failed, knownMigrations: known };
    const stale = { target: 'stale', revisions, position: aborted };
    assert.deepEqual([planFor(stale, after).job, planFor(stale, after).restoring], [undefined, undefined]);
    const reported = revision('stale', 3, { ...scaledDown, contracts: [], ahead: ['DropName1'] });
    const { decisions, job } = planFor(
      {
        ...{ target: 'stale', revisions: [...over({}).revisions!, reported] },
        position: { ...windowed, update: 'stale', startedAt: promotedAt },
      },
      within,
    );
    assert.deepEqual([decisions[0]?.type, job], ['Aborted', undefined]);
    const requests = { retry: `stale@${promotedAt}` };
    assert.equal(planFor(stale, within, { requests }).job?.stage, 'restore');
  });

  it('never purges what the revision in the spec needs, and restores it also after the end of the window', () => {
    const late = planFor(over({}, undo), after);
    assert.deepEqual([late.job?.stage, late.refused], ['restore', undefined]);
    const failed = planFor(over({ restore: 'Failed' }, undo), after);
    assert.equal(failed.job, undefined);
    const mixed = { ...contracted, hidden, migrations: ['DropName1', 'Delete2'] };
    const irreversible = planFor(over({}, { ...undo, position: { ...position, contracted: mixed } }), after);
    assert.equal(irreversible.job, undefined, 'an undo that is rejected is not made impossible either');
    assert.ok(irreversible.refused);
  });
});
