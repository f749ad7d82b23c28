import assert from 'node:assert/strict';
import type { MigrationReport } from '../../../contract/image.js';
import type { ContractView, MigrationStage, MigrationState } from '../../../operator/delivery/observation.js';
import { recordBackfill } from '../../../operator/delivery/preparation.js';
import { hookObject } from '../../../operator/migrations/hook.js';
import { migrationJob } from '../../../operator/migrations/migration-job.js';
import { migrationView } from '../../../operator/migrations/migration-view.js';
import type { RecordedContract } from '../../../operator/migrations/window-view.js';
import { newRevision } from '../../../operator/resources/revision.js';
import type { KubeObject } from '../../../operator/runtime/kube-types.js';
import { migrations, pcfApi } from '../../support/fixtures/fixtures.js';
import { job, report, run } from './jobs-under-test.js';

const automatic = pcfApi();
const manual = pcfApi({ migrations: migrations('Manual') });
const observation = { target: 'new', routeAgeMs: 0, startable: true };
const PROMOTED = '2026-11-23T10:00:00.000Z';

function viewFor(objects: KubeObject[], api = automatic) {
  const of = (kind: string) => objects.filter((one) => one.kind === kind);
  return migrationView(api, 'api-new', of('Job'), of('Pod'), { attempt: 1, promotedAt: PROMOTED });
}

const expanded = [job('expand', 'Complete'), run('api-new-expand', report({ applied: ['E1'] }))];

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

describe('migrationView, beforeContract hook', () => {
  const beforeContract = { job: { image: 'backup:1', env: [], timeout: '1h' } };
  const backed = pcfApi({ migrations: { ...migrations('Automatic'), beforeContract } });
  const hookOf = (promotedAt: string, attempt = 1) => {
    const api = { ...backed, status: { delivery: { promotedAt } } };
    const revision = { ...newRevision(api, 1), name: 'api-new' };
    return hookObject(api, revision, attempt);
  };
  const finished = (object: KubeObject, type: string) => ({
    ...object,
    status: { conditions: [{ type, status: 'True' }] },
  });
  const state = (...jobs: KubeObject[]) => viewFor([...expanded, ...jobs], backed).contract;

  it('is a Job of one promotion, and ignores the backup of an earlier promotion', () => {
    assert.equal(state().hook, 'Absent');
    assert.equal(state(hookOf(PROMOTED)).hook, 'Running');
    assert.equal(state(finished(hookOf(PROMOTED), 'Complete')).hook, 'Succeeded');
    assert.equal(state(finished(hookOf('2026-11-22T10:00:00.000Z'), 'Complete')).hook, 'Absent');
  });

  it('is retried under another name after a failure', () => {
    const failed = finished(hookOf(PROMOTED), 'Failed');
    assert.deepEqual([state(failed).hook, state(failed).attempt], ['Failed', 2]);
    assert.equal(state(failed, hookOf(PROMOTED, 2)).hook, 'Running');
  });

  it('is the last run of the attempt, with the time of its success', () => {
    const api = { ...backed, status: { delivery: { promotedAt: PROMOTED } } };
    const again = hookObject(api, { ...newRevision(api, 1), name: 'api-new' }, 1, 2);
    const complete = (object: KubeObject, completionTime: string) => ({
      ...object,
      status: { completionTime, conditions: [{ type: 'Complete', status: 'True' }] },
    });
    const first = complete(hookOf(PROMOTED), '2026-11-23T11:00:00Z');
    const fieldsOf = ({ hook, attempt, hookRun, hookFinishedAt }: ContractView) => [
      hook,
      attempt,
      hookRun,
      hookFinishedAt,
    ];
    assert.deepEqual(fieldsOf(state(first)), ['Succeeded', 1, 1, '2026-11-23T11:00:00Z']);
    assert.deepEqual(fieldsOf(state(first, again)), ['Running', 1, 2, undefined]);
    const second = complete(again, '2026-11-23T15:00:00Z');
    assert.deepEqual(fieldsOf(state(first, second)), ['Succeeded', 1, 2, '2026-11-23T15:00:00Z']);
    const failed = finished(again, 'Failed');
    assert.deepEqual(fieldsOf(state(first, failed)), ['Failed', 2, 1, undefined], 'the next attempt');
  });

  it('can be a VolumeSnapshot or a Backup, whose status determines success or failure', () => {
    const volumeSnapshot = { persistentVolumeClaimName: 'data-postgres-0' };
    const backup = { cluster: 'pg', method: 'plugin', plugin: 'barman-cloud' } as const;
    for (const [hookSpec, done, failed] of [
      [{ volumeSnapshot }, { readyToUse: true }, { readyToUse: false, error: { message: 'no space' } }],
      [{ backup }, { phase: 'completed' }, { phase: 'failed', error: 'no space' }],
    ] as const) {
      const api = pcfApi({ migrations: { ...migrations('Automatic'), beforeContract: hookSpec } });
      const made = (attempt = 1) =>
        hookObject(
          { ...api, status: { delivery: { promotedAt: PROMOTED } } },
          { ...newRevision(api, 1), name: 'api-new' },
          attempt,
        );
      const at = (...objects: KubeObject[]) =>
        migrationView(api, 'api-new', [expanded[0]!, ...objects], [expanded[1]!], { promotedAt: PROMOTED });
      assert.equal(at().contract.hook, 'Absent');
      assert.equal(at(made()).contract.hook, 'Running');
      assert.equal(at({ ...made(), status: done }).contract.hook, 'Succeeded');
      const field = 'volumeSnapshot' in hookSpec ? 'creationTime' : 'stoppedAt';
      const timed = at({ ...made(), status: { ...done, [field]: '2026-11-23T11:00:00Z' } });
      assert.equal(
        timed.contract.hookFinishedAt,
        '2026-11-23T11:00:00Z',
        'its age is known after a downtime',
      );
      const broken = at({ ...made(), status: failed });
      assert.deepEqual([broken.contract.hook, broken.contract.attempt], ['Failed', 2]);
      assert.match(broken.contractError ?? '', /(VolumeSnapshot|Backup) api-new-hook-\w+ failed: no space/);
      assert.equal(at({ ...made(), status: failed }, made(2)).contract.hook, 'Running');
      assert.equal(
        made().metadata.ownerReferences,
        undefined,
        'the object is retained after the PcfApi is deleted',
      );
    }
  });

  it('reports a hook failure that occurred after a contract failure', () => {
    const failedJob = { ...finished(job('contract'), 'Failed'), kind: 'Job' };
    const pod = run('api-new-contract', report({ outcome: 'failed', error: 'a view depends on it' }), 1);
    const before = [...expanded, failedJob, pod];
    assert.equal(viewFor(before, backed).contractError, 'a view depends on it');
    const failedHook = finished(hookOf(PROMOTED, 2), 'Failed');
    const hookPod = run(failedHook.metadata.name, 'no space for the backup', 1);
    const after = viewFor([...before, failedHook, hookPod], backed);
    assert.deepEqual(
      [after.contract.state, after.contract.hook, after.contract.attempt],
      ['Failed', 'Failed', 3],
    );
    assert.equal(after.contractError, 'no space for the backup', 'only the error message of the hook');
  });

  it('ignores a hook object of another kind', () => {
    const api = pcfApi({
      migrations: {
        ...migrations('Automatic'),
        beforeContract: { backup: { cluster: 'pg', method: 'barmanObjectStore' } },
      },
    });
    const job = finished(hookOf(PROMOTED), 'Complete');
    assert.equal(viewFor([...expanded, job], api).contract.hook, 'Absent');
  });

  it('has no Secret, no service account token and no label that a Service selects', () => {
    const { spec } = hookOf(PROMOTED) as unknown as {
      spec: { template: { metadata: { labels: object }; spec: Record<string, unknown> } };
    };
    assert.equal(spec.template.spec.automountServiceAccountToken, false);
    assert.equal(JSON.stringify(spec).includes('pcf-api-secrets'), false);
    const labels = spec.template.metadata.labels as Record<string, string>;
    assert.equal(labels['app.kubernetes.io/component'], 'migration');
  });
});

describe('migrationJob', () => {
  const revision = newRevision(automatic, 1);
  const make = (stage: 'plan' | 'expand' | 'backfill' | 'contract', api = automatic) =>
    migrationJob(api, revision, { revision: revision.name, stage, attempt: 1 }) as unknown as {
      metadata: { name: string };
      spec: { activeDeadlineSeconds: number; template: typeof revision.template };
    };

  it('is named after the revision and the stage', () => {
    assert.equal(make('backfill').metadata.name, `${revision.name}-backfill`);
  });

  it('has the command and the deadline of its stage', () => {
    const args = (stage: Parameters<typeof make>[0]) => make(stage).spec.template.spec.containers[0].args;
    assert.deepEqual(args('contract'), ['migrate', 'up', '--phase', 'contract', '--json']);
    assert.equal(args('plan')[1], 'plan');
    assert.equal(make('expand').spec.activeDeadlineSeconds, 900);
    assert.equal(make('backfill').spec.activeDeadlineSeconds, 86_400);
  });

  it('fails immediately for exit codes that a retry cannot resolve, and otherwise at its deadline', () => {
    const rules = (stage: 'expand' | 'backfill' | 'contract' | 'hook') => {
      const beforeContract = { job: { image: 'backup:1', env: [], timeout: '1h' } };
      const api = pcfApi({ migrations: { ...migrations('Automatic'), beforeContract } });
      const { spec } =
        stage === 'hook'
          ? hookObject(api, revision, 1)
          : migrationJob(api, revision, { revision: revision.name, stage, attempt: 1 });
      const { backoffLimit, podFailurePolicy } = spec as {
        backoffLimit: number;
        podFailurePolicy: { rules: { action: string; onExitCodes?: { values: number[] } }[] };
      };
      assert.ok(backoffLimit > 86_400, 'one attempt per second for a day does not reach the limit');
      return podFailurePolicy.rules.find(({ action }) => action === 'FailJob')?.onExitCodes?.values;
    };
    for (const stage of ['expand', 'backfill', 'contract'] as const)
      assert.deepEqual(rules(stage), [1, 64, 78, 126, 127]);
    assert.deepEqual(rules('hook'), [64, 78], 'a third-party program can exit with 1 for a network error');
  });

  it('sets the lock timeout of the spec', () => {
    const api = pcfApi({ migrations: { ...migrations('Automatic'), lockTimeout: '1m30s' } });
    const { env } = make('expand', api).spec.template.spec.containers[0];
    const variable = env.find(({ name }) => name === 'PCF_API__MIGRATIONS__LOCK_TIMEOUT');
    assert.equal(variable?.value, '90000ms');
  });

  it('requires the check of the GraphQL schema only of expand, and not with mode Off', () => {
    const checkOf = (stage: 'expand' | 'contract', schemaCheck?: object) => {
      const { env } = make(stage, pcfApi({ api: { schemaCheck } as never })).spec.template.spec.containers[0];
      return env.filter(({ name }) => name.startsWith('PCF_SCHEMA_CHECK'));
    };
    assert.deepEqual(checkOf('expand'), [{ name: 'PCF_SCHEMA_CHECK_WINDOW', value: '2592000000' }]);
    assert.deepEqual(checkOf('expand', { mode: 'Warn', window: '1h', ignoreClients: ['key:a', 'b'] }), [
      { name: 'PCF_SCHEMA_CHECK_WINDOW', value: '3600000' },
      { name: 'PCF_SCHEMA_CHECK_IGNORE', value: '["key:a","b"]' },
    ]);
    assert.deepEqual([checkOf('contract'), checkOf('expand', { mode: 'Off' })], [[], []]);
  });
});

describe('migrationView, the window after contract', () => {
  const until = '2026-11-24T10:00:00.000Z';
  const contracted = [
    ...expanded,
    job('contract', 'Complete'),
    run(
      'api-new-contract',
      report({ applied: ['C1'], hidden: [{ migration: 'C1', until, objects: ['table t'] }] }),
    ),
  ];

  it('has what contract reported as hidden, and the states of restore and purge', () => {
    const { contract } = viewFor(contracted);
    const hidden = [{ migration: 'C1', until, objects: ['table t'] }];
    assert.deepEqual(contract.window, { attempt: 1, hidden, restore: 'Absent', purge: 'Absent' });
    const purging = viewFor([...contracted, job('purge')]);
    assert.deepEqual(
      [purging.contract.window?.purge, purging.stage, purging.job],
      ['Running', 'purge', 'api-new-purge'],
    );
  });

  it('after a restore contract is absent, with the report of the restore, and its next Job has the next number', () => {
    const left = report({ pending: ['C1'], contracts: ['C1'], restored: ['C1'] });
    const restored = [...contracted, job('restore', 'Complete'), run('api-new-restore', left)];
    const view = viewFor(restored);
    assert.deepEqual([view.contract.state, view.contract.attempt], ['Absent', 2]);
    assert.deepEqual([view.stage, view.report?.pending], ['restore', ['C1']]);
    const again = viewFor([...restored, job('contract', undefined, 'api-new-contract-2')]);
    assert.deepEqual([again.contract.state, again.stage], ['Running', 'contract']);
    assert.deepEqual(again.contract.window, { attempt: 2, hidden: [], restore: 'Absent', purge: 'Absent' });
  });

  const createdAt = (object: KubeObject, time: string): KubeObject => ({
    ...object,
    metadata: { ...object.metadata, creationTimestamp: `2026-11-23T${time}Z` },
  });
  const at = (time: string, ...more: Parameters<typeof job>) => createdAt(job(...more), time);
  const viewAfter = (objects: KubeObject[], over: Partial<RecordedContract>) => {
    const contracted = { revision: 'api-new', ...over };
    const of = (kind: string) => objects.filter((one) => one.kind === kind);
    return migrationView(automatic, 'api-new', of('Job'), of('Pod'), { promotedAt: PROMOTED, contracted });
  };
  const hidden = [{ migration: 'C1', until }];
  const contractReport = run('api-new-contract', report({ applied: ['C1'], hidden }));

  it('a contract Job from before a restore by another revision is absent, and the numbers continue', () => {
    const before = [at('10:00:00', 'contract', 'Complete'), contractReport];
    const recorded = { restoredAt: '2026-11-23T11:00:00Z' };
    const { contract, stage } = viewAfter([...expanded, ...before], recorded);
    assert.deepEqual([contract.state, contract.attempt, contract.window?.hidden], ['Absent', 2, []]);
    assert.equal(stage, 'expand');
    const again = [...before, at('12:00:00', 'contract', undefined, 'api-new-contract-2')];
    assert.equal(viewAfter(again, recorded).contract.state, 'Running');
  });

  it('Jobs of an earlier window do not count if the contract Job of the current one was deleted', () => {
    const earlier = [
      ...[at('10:00:00', 'contract', 'Complete'), contractReport],
      ...[at('11:00:00', 'restore', 'Complete'), run('api-new-restore', report())],
    ];
    const unrecorded = viewAfter(earlier, { hidden }).contract;
    assert.deepEqual(
      [unrecorded.state, unrecorded.window?.restore, unrecorded.window?.jobCreatedAt],
      ['Absent', 'Succeeded', '2026-11-23T11:00:00Z'],
    );
    const absent = { attempt: 2, hidden: [], restore: 'Absent', purge: 'Absent' };
    const recorded = { restoredAt: '2026-11-23T11:00:00Z', hidden };
    const { contract, stage } = viewAfter(earlier, recorded);
    assert.deepEqual([contract.state, contract.window], ['Absent', absent]);
    assert.equal(stage, 'restore', 'it is still what ran last');
    const second = [...earlier, at('12:00:00', 'restore', undefined, 'api-new-restore-2')];
    assert.equal(viewAfter(second, recorded).contract.window?.restore, 'Running');
  });

  it('a contract whose report was lost before it was recorded is repeated once, if there is a window', () => {
    const lost = [job('contract', 'Complete')];
    const windowed = pcfApi({ migrations: { ...migrations('Automatic'), contractWindow: '1h' } });
    const contractOf = (jobs: KubeObject[], done?: boolean, api = windowed) => {
      const contracted = { revision: 'api-new', ...(done ? { done } : {}) };
      const { contract } = migrationView(api, 'api-new', jobs, [], { promotedAt: PROMOTED, contracted });
      return [contract.state, contract.attempt];
    };
    assert.deepEqual(contractOf(lost), ['Absent', 2]);
    assert.deepEqual(contractOf(lost, true), ['Succeeded', 2], 'it was recorded');
    assert.deepEqual(contractOf(lost, undefined, automatic), ['Succeeded', 2], 'there is no window');
    const again = [...lost, job('contract', undefined, 'api-new-contract-2')];
    assert.deepEqual(contractOf(again), ['Running', 3]);
    const twice = [...lost, job('contract', 'Complete', 'api-new-contract-2')];
    assert.deepEqual(contractOf(twice), ['Succeeded', 3], 'the image reports nothing');
  });

  it('a purge counts for the window that it ended, and not for a later one', () => {
    const jobs = [
      ...[at('10:00:00', 'contract', 'Failed'), at('11:00:00', 'purge', 'Complete')],
      run('api-new-purge', report()),
    ];
    const purgedAt = '2026-11-23T11:00:00Z';
    const ended = viewAfter(jobs, { hidden, purged: true, purgedAt });
    assert.deepEqual([ended.contract.window?.purge, ended.stage], ['Succeeded', 'purge']);
    const early = [jobs[0]!, jobs[1]!, run('api-new-purge', report({ hidden }))];
    const missed = viewAfter(early, { hidden });
    assert.equal(missed.contract.window?.purge, 'Failed', 'its window has not ended in the database');
    assert.match(missed.contractError ?? '', /C1 .* the clock of the database is behind/);
    const later = viewAfter(jobs, { hidden: [{ migration: 'C2', until }], purgedAt });
    assert.deepEqual([later.contract.window?.purge, later.contract.window?.attempt], ['Absent', 2]);
  });

  it('the restore Job names the migrations, and the window is a variable of plan and contract only, if it is set', () => {
    const api = pcfApi({ migrations: { ...migrations('Automatic'), contractWindow: '1h30m' } });
    const containerOf = (object: KubeObject) =>
      (
        object.spec as {
          template: { spec: { containers: { args: string[]; env: { name: string; value?: string }[] }[] } };
        }
      ).template.spec.containers[0]!;
    const restore = migrationJob(api, newRevision(api, 1), {
      revision: 'r',
      stage: 'restore',
      attempt: 2,
      migrations: ['C1'],
    });
    assert.match(restore.metadata.name, /-restore-2$/);
    const { args, env } = containerOf(restore);
    assert.deepEqual(args, ['migrate', 'restore', 'C1', '--json']);
    const windowIn = (variables: typeof env) =>
      variables.find(({ name }) => name.endsWith('CONTRACT_WINDOW'))?.value;
    assert.equal(windowIn(env), undefined);
    for (const stage of ['plan', 'expand', 'backfill', 'contract', 'purge'] as const) {
      const made = migrationJob(api, newRevision(api, 1), { revision: 'r', stage, attempt: 1 });
      const isSet = stage === 'plan' || stage === 'contract';
      assert.equal(windowIn(containerOf(made).env), isSet ? '5400s' : undefined, stage);
    }
    const without = migrationJob(automatic, newRevision(automatic, 1), {
      revision: 'r',
      stage: 'contract',
      attempt: 1,
    });
    assert.equal(windowIn(containerOf(without).env), undefined);
  });
});
