import assert from 'node:assert/strict';
import type { ContractView, Observation, WindowView } from '../../../operator/delivery/observation.js';
import {
  contracted,
  knownMigrations,
  planFor,
  position,
  promotedAt,
  revision,
  scaledDown,
} from './observed-delivery.js';

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
