import assert from 'node:assert/strict';
import type { ContractView } from '../../../operator/delivery/observation.js';
import { hookObject } from '../../../operator/migrations/hook.js';
import { migrationJob } from '../../../operator/migrations/migration-job.js';
import { migrationView } from '../../../operator/migrations/migration-view.js';
import type { RecordedContract } from '../../../operator/migrations/window-view.js';
import { newRevision } from '../../../operator/resources/revision.js';
import type { KubeObject } from '../../../operator/runtime/kube-types.js';
import { migrations, pcfApi } from '../../support/fixtures/fixtures.js';
import { job, report, run } from './jobs-under-test.js';
import { automatic, expanded, PROMOTED, viewFor } from './viewed-migrations.js';

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
