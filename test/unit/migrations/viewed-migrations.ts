import { migrationView } from '../../../operator/migrations/migration-view.js';
import type { KubeObject } from '../../../operator/runtime/kube-types.js';
import { migrations, pcfApi } from '../../support/fixtures/fixtures.js';
import { job, report, run } from './jobs-under-test.js';

export const automatic = pcfApi();
export const manual = pcfApi({ migrations: migrations('Manual') });
export const observation = { target: 'new', routeAgeMs: 0, startable: true };
export const PROMOTED = '2026-11-23T10:00:00.000Z';

export function viewFor(objects: KubeObject[], api = automatic) {
  const of = (kind: string) => objects.filter((one) => one.kind === kind);
  return migrationView(api, 'api-new', of('Job'), of('Pod'), { attempt: 1, promotedAt: PROMOTED });
}

export const expanded = [job('expand', 'Complete'), run('api-new-expand', report({ applied: ['E1'] }))];
