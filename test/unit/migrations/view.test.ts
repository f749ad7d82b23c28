import assert from 'node:assert/strict';
import type { MigrationReport } from '../../../contract/image.js';
import type { MigrationStage, MigrationState } from '../../../operator/delivery/observation.js';
import { recordBackfill } from '../../../operator/delivery/preparation.js';
import { migrationView } from '../../../operator/migrations/migration-view.js';
import type { KubeObject } from '../../../operator/runtime/kube-types.js';
import { job, report, run } from './jobs-under-test.js';
import { automatic, expanded, manual, observation, viewFor } from './viewed-migrations.js';

describe('migrationView, stages', () => {
  it('starts with expand, and succeeds after it when there is no backfill', () => {
    assert.deepEqual([viewFor([]).state, viewFor([]).nextStage], ['Pending', 'expand']);
    assert.equal(viewFor([job('expand')]).state, 'Running');
    const done = viewFor(expanded);
    assert.deepEqual([done.state, done.nextStage, done.applied], ['Succeeded', undefined, ['E1']]);
  });

  it('continues with the backfill that expand reported, and succeeds after it', () => {
    const left = { pending: ['B1', 'C1'], backfills: ['B1'], contracts: ['C1'] };
    const before = [job('expand', 'Complete'), run('api-new-expand', report({ applied: ['E1'], ...left }))];
    assert.deepEqual([viewFor(before).state, viewFor(before).nextStage], ['Pending', 'backfill']);
    assert.equal(viewFor([...before, job('backfill')]).state, 'Running');
    const after = viewFor([
      ...before,
      job('backfill', 'Complete'),
      run('api-new-backfill', report({ applied: ['B1'], pending: ['C1'], contracts: ['C1'] })),
    ]);
    assert.deepEqual([after.state, after.applied, after.durationMs], ['Succeeded', ['E1', 'B1'], 20]);
    assert.deepEqual(after.contracts, ['C1'], 'pending contract migrations');
  });

  it('runs a backfill for an image with phases but without a backfill list, and none for an image without phases', () => {
    const expandWith = (over: object) => [
      job('expand', 'Complete'),
      run('api-new-expand', report({ backfills: undefined, contracts: undefined, pending: ['B1'], ...over })),
    ];
    assert.equal(viewFor(expandWith({ phases: ['expand'] })).nextStage, 'backfill');
    assert.equal(viewFor(expandWith({})).state, 'Succeeded');
  });

  it('in mode Manual, runs a plan first and then waits for an approval', () => {
    assert.equal(viewFor([], manual).nextStage, 'plan');
    const planned = (pending: string[]) =>
      viewFor(
        [job('plan', 'Complete'), run('api-new-plan', report({ outcome: 'nothing', pending }))],
        manual,
      );
    assert.deepEqual([planned(['E1']).state, planned(['E1']).nextStage], ['Planned', 'expand']);
    assert.equal(planned([]).state, 'Pending', 'there is nothing to approve');
    const refused = report({ outcome: 'refused', error: 'lint: drop-column' });
    const failed = viewFor([job('plan', 'Failed'), run('api-new-plan', refused, 78)], manual);
    assert.deepEqual([failed.state, failed.error], ['Failed', 'lint: drop-column']);
  });

  it('reruns a Job whose result was lost, but only once', () => {
    const lost = [job('expand', 'Complete')];
    const { state, nextStage, nextAttempt, failedMigrations } = viewFor(lost);
    assert.deepEqual([state, nextStage, nextAttempt], ['Pending', 'expand', 2]);
    assert.equal(failedMigrations, 1, 'a retry of the delivery continues with the next number');
    const again = job('expand', 'Complete', 'api-new-expand-2');
    assert.equal(viewFor([...lost, again, run('api-new-expand-2', report())]).state, 'Succeeded');
    const silent = viewFor([...lost, again]);
    assert.deepEqual(
      [silent.nextStage, silent.unreported],
      ['backfill', true],
      'an image that never reports a result',
    );
  });

  it('does not rerun recorded migrations when their pods are deleted during a canary', () => {
    const jobs = [job('expand', 'Complete')];
    const record = { attempt: 1, recorded: {} };
    assert.equal(migrationView(automatic, 'api-new', jobs, [], record).state, 'Succeeded');
    const filling = migrationView(automatic, 'api-new', [...jobs, job('backfill')], [], record);
    assert.equal(filling.state, 'Running', 'a running backfill is awaited');
  });

  it('reruns a backfill whose result was lost before it was recorded, but not afterwards', () => {
    const jobs = [job('expand', 'Complete'), job('backfill', 'Complete')];
    const lost = (record: object) =>
      migrationView(automatic, 'api-new', jobs, [], { attempt: 1, recorded: record });
    const unrecorded = lost({ backfill: true });
    assert.deepEqual(
      [unrecorded.state, unrecorded.nextStage, unrecorded.nextAttempt],
      ['Pending', 'backfill', 2],
    );
    assert.equal(lost({ backfill: true, backfilled: true }).state, 'Succeeded');
  });

  it('runs a backfill and is unreported when the report of a successful expand is unreadable', () => {
    const cutOff = [
      job('expand', 'Complete'),
      run('api-new-expand', report({ contracts: ['C1'] }).slice(0, -9)),
    ];
    const view = viewFor(cutOff);
    assert.deepEqual([view.state, view.nextStage], ['Pending', 'backfill']);
    assert.deepEqual([view.contracts, view.ahead, view.unreported], [undefined, undefined, true]);
    const filled = [job('backfill', 'Complete'), run('api-new-backfill', report())];
    assert.equal(viewFor([...cutOff, ...filled]).state, 'Succeeded');
    const withRecord = (backfill?: boolean) =>
      migrationView(automatic, 'api-new', [job('expand', 'Complete')], [], {
        attempt: 1,
        recorded: { backfill },
      });
    assert.equal(withRecord(true).nextStage, 'backfill', 'its pod was deleted between expand and backfill');
    assert.equal(withRecord().state, 'Succeeded');
  });

  it('reruns migrations on a retry of the delivery, also after an earlier success', () => {
    const again = (objects: KubeObject[]) =>
      migrationView(
        automatic,
        'api-new',
        objects.filter(({ kind }) => kind === 'Job'),
        objects.filter(({ kind }) => kind === 'Pod'),
        { attempt: 2, rerunMigrations: true },
      );
    const { state, nextStage, nextAttempt, lastMigration } = again(expanded);
    assert.deepEqual([state, nextStage, nextAttempt, lastMigration], ['Pending', 'expand', 2, 1]);
    const second = [job('expand', 'Complete', 'api-new-expand-2'), run('api-new-expand-2', report())];
    assert.equal(again([...expanded, ...second]).state, 'Succeeded');
    assert.equal(again([...expanded, ...second]).lastMigration, 2);
  });

  it('ignores the pod of a deleted Job that has the same name as the current Job', () => {
    const made = { ...job('backfill'), metadata: { ...job('backfill').metadata, uid: 'second' } };
    const stopped = run('api-new-backfill', report({ outcome: 'failed', error: 'interrupted' }), 75);
    const of = (uid: string) => ({
      ...stopped,
      metadata: {
        ...stopped.metadata,
        ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name: 'x', uid, controller: true }],
      },
    });
    assert.equal(viewFor([...expanded, made, of('first')]).error, undefined);
    assert.equal(viewFor([...expanded, made, of('second')]).error, 'interrupted');
  });

  it('is Running while the pod of a completed Job has not terminated in the cache', () => {
    const pod = run('api-new-expand', '');
    const running = { ...pod, status: { containerStatuses: [{ state: {} }] } };
    assert.equal(viewFor([job('expand', 'Complete'), running]).state, 'Running');
  });

  describe('of a pod that succeeded before its Job is complete', () => {
    const succeeded = (stage: MigrationStage, over = {}) => {
      const pod = run(`api-new-${stage}`, report(over));
      return { ...pod, status: { ...(pod.status as object), phase: 'Succeeded' } };
    };

    it('expand and backfill are done', () => {
      const backfill = { pending: ['B1'], backfills: ['B1'] };
      assert.equal(viewFor([job('expand'), succeeded('expand')]).state, 'Succeeded');
      const before = [job('expand'), succeeded('expand', backfill)];
      assert.equal(viewFor(before).nextStage, 'backfill');
      assert.equal(viewFor([...before, job('backfill')]).state, 'Running');
      assert.equal(viewFor([...before, job('backfill'), succeeded('backfill')]).state, 'Succeeded');
    });

    it('expand is done also if the deadline of the Job ends before the Job has counted the pod', () => {
      const { state, applied } = viewFor([job('expand', 'Failed'), succeeded('expand', { applied: ['E1'] })]);
      assert.deepEqual([state, applied], ['Succeeded', ['E1']]);
    });

    it('expand stays done if its pod is deleted between the count by the Job and the completion', () => {
      const counted = {
        ...job('expand'),
        status: { conditions: [{ type: 'SuccessCriteriaMet', status: 'True' }] },
      };
      const record = { attempt: 1, recorded: {} };
      assert.equal(migrationView(automatic, 'api-new', [counted], [], record).state, 'Succeeded');
    });

    it('expand is done although another pod of its Job still runs', () => {
      const running = {
        ...succeeded('expand'),
        status: { phase: 'Running', containerStatuses: [{ state: {} }] },
      };
      assert.equal(viewFor([job('expand'), running, succeeded('expand')]).state, 'Succeeded');
    });

    it('expand runs while only its container has terminated: the node may still be lost', () => {
      assert.equal(viewFor([job('expand'), run('api-new-expand', report())]).state, 'Running');
    });

    it('contract is not done', () => {
      const contract = [...expanded, job('contract'), succeeded('contract')];
      assert.equal(viewFor(contract).contract.state, 'Running');
    });
  });

  it('reports a remedy for an image that does not support --phase', () => {
    const old = viewFor([job('expand', 'Failed'), run('api-new-expand', "unknown option '--phase'", 64)]);
    assert.match(old.error ?? '', /does not support `migrate up --phase`: use a newer image/);
  });

  it('reports a remedy for an image without the migrate command, also before its Job failed', () => {
    const error = (message: string, exitCode: number, reason?: string) => {
      const pod = run('api-new-expand', message, exitCode);
      const terminated = { exitCode, message, reason };
      return viewFor([job('expand'), { ...pod, status: { containerStatuses: [{ state: { terminated } }] } }])
        .error;
    };
    const advice = 'use an image of the API, or migrations.mode Disabled';
    assert.equal(
      error('docker-entrypoint.sh: exec: migrate: not found', 127),
      `the image has no command \`migrate\` (exit code 127: docker-entrypoint.sh: exec: migrate: not found): ${advice}`,
    );
    assert.match(error('', 126) ?? '', /no command `migrate` \(exit code 126\)/);
    assert.match(
      error('exec: "migrate": not found in $PATH', 128, 'StartError') ?? '',
      /\(StartError: exec:/,
    );
    assert.match(
      error("Cannot find module '/app/migrate'", 1) ?? '',
      /^Cannot find module .*no migration report/,
    );
    assert.equal(error(report({ outcome: 'failed', error: 'no such table' }), 1), 'no such table');
  });

  it('uses the latest contract Job, and the next attempt number after a failure', () => {
    const { window: _, ...none } = viewFor(expanded).contract;
    assert.deepEqual(none, { state: 'Absent', hook: 'Disabled', attempt: 1 });
    assert.equal(viewFor([...expanded, job('contract')]).contract.state, 'Running');
    const failed = viewFor([...expanded, job('contract', 'Failed')]).contract;
    assert.deepEqual([failed.state, failed.attempt], ['Failed', 2]);
    const second = [...expanded, job('contract', 'Failed'), job('contract', undefined, 'api-new-contract-2')];
    assert.equal(viewFor(second).contract.state, 'Running');
  });
});

describe('migrationView, progress of a backfill', () => {
  const at = (rows: number) => ({ name: 'B1', rows, total: 5_000, rowsPerSecond: 900, secondsLeft: 0 });
  const reporting = (stage: MigrationStage, rows: number, name = `api-new-${stage}`) => [
    job(stage, 'Complete', name),
    run(name, report({ backfill: at(rows) })),
  ];
  const expandedAt = (rows: number) => [
    job('expand', 'Complete'),
    run('api-new-expand', report({ pending: ['B1'], backfills: ['B1'], backfill: at(rows) })),
  ];
  const filled = reporting('backfill', 5_000);
  const view = (objects: KubeObject[], delivery: object = {}) => {
    const of = (kind: string) => objects.filter((one) => one.kind === kind);
    return migrationView(automatic, 'api-new', of('Job'), of('Pod'), { attempt: 1, ...delivery });
  };

  it('is the final progress of a rerun after a lost result', () => {
    const lost = job('backfill', 'Complete');
    const again = reporting('backfill', 5_000, 'api-new-backfill-2');
    const after = view([...expandedAt(0), lost, ...again], { recorded: { backfill: true } });
    assert.deepEqual([after.state, after.progress?.rows], ['Succeeded', 5_000]);
  });

  it('is the progress of the backfill when a later contract reports none', () => {
    const contracted = [job('contract', 'Complete'), run('api-new-contract', report({ applied: ['C1'] }))];
    assert.equal(view([...expandedAt(0), ...filled, ...contracted]).progress?.rows, 5_000);
  });

  it('is the progress in the report of a contract when earlier pods are deleted', () => {
    const jobs = [job('expand', 'Complete'), job('backfill', 'Complete')];
    assert.equal(view([...jobs, ...reporting('contract', 5_000)], { recorded: {} }).progress?.rows, 5_000);
  });

  it('is the progress in the report of expand when an abort deleted the finished backfill Job', () => {
    const second = [
      job('expand', 'Complete', 'api-new-expand-2'),
      run('api-new-expand-2', report({ backfill: at(5_000) })),
    ];
    const after = view([...expandedAt(0), ...second], { attempt: 2, rerunMigrations: true });
    assert.deepEqual([after.state, after.progress?.rows], ['Succeeded', 5_000]);
  });

  it('is the recorded progress when Jobs or pods of the backfill are deleted', () => {
    const record = { backfill: true, backfilled: true, progress: at(5_000) };
    assert.equal(view(expandedAt(1_000), { recorded: record }).progress?.rows, 5_000);
    const jobs = [job('expand', 'Complete'), job('backfill', 'Complete')];
    const canary = view(jobs, { recorded: record });
    assert.deepEqual([canary.state, canary.progress?.rows], ['Succeeded', 5_000]);
    assert.equal(view([], { attempt: undefined, recorded: record }).progress?.rows, 5_000);
  });

  it('is the latest live report of a running backfill, and before it the progress of the earlier run', () => {
    const filling = [...expandedAt(1_000), job('backfill')];
    assert.equal(view(filling).progress?.rows, 1_000);
    const pod = run('api-new-backfill', '');
    const running = { ...pod, status: { containerStatuses: [{ state: { running: {} } }] } };
    const live = () => JSON.parse(report({ backfill: at(2_000) })) as MigrationReport;
    assert.equal(view([...filling, running], { live }).progress?.rows, 2_000);
  });

  it('is recorded when all migrations of the delivery succeeded, and removed when they are rerun', () => {
    const recordAfter = (migration: MigrationState, known: object = {}) => {
      const canary = { name: 'new', replicas: 0, ready: 0, migration, backfill: true, progress: at(5_000) };
      const observed = { ...observation, revisions: [canary], position: { update: 'new' } };
      return recordBackfill(observed, [{ revision: 'new', migrations: [], backfill: true, ...known }]);
    };
    const open = { revision: 'new', migrations: [], backfill: true };
    const done = { ...open, backfilled: true, progress: at(5_000) };
    assert.deepEqual(recordAfter('Running'), [open]);
    assert.deepEqual(recordAfter('Succeeded'), [done]);
    assert.deepEqual(recordAfter('Pending', done), [open]);
    const stable = { ...observation, revisions: [], position: { stable: 'new' } };
    assert.deepEqual(recordBackfill(stable, [done]), [done]);
  });
});
