import assert from 'node:assert/strict';
import { hookObject } from '../../../operator/migrations/hook.js';
import { migrationJob } from '../../../operator/migrations/migration-job.js';
import { newRevision } from '../../../operator/resources/revision.js';
import { migrations, pcfApi } from '../../support/fixtures/fixtures.js';
import { automatic } from './viewed-migrations.js';

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
