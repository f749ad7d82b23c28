import assert from 'node:assert/strict';
import { MAX_BACKUP_AGE_MS } from '../../../operator/delivery/contract.js';
import type { DeliverySpec } from '../../../operator/delivery/delivery-spec.js';
import type { ContractView, Observation } from '../../../operator/delivery/observation.js';
import { isObsolete } from '../../../operator/delivery/preparation.js';
import {
  HOUR,
  knownMigrations,
  planFor,
  position,
  promotedAt,
  revision,
  scaledDown,
  soaked,
} from './observed-delivery.js';

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
