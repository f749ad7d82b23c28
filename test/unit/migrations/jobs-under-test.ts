/** Jobs and their pods, as the caches return them. */
import type { MigrationReport } from '../../../contract/image.js';
import type { MigrationStage } from '../../../operator/delivery/observation.js';
import type { KubeObject } from '../../../operator/runtime/kube-types.js';

const REVISION = 'api-new';

export function job(
  stage: MigrationStage,
  end?: 'Complete' | 'Failed',
  name = `${REVISION}-${stage}`,
): KubeObject {
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name, labels: { 'pcf.dev/revision': REVISION, 'pcf.dev/migration': stage } },
    status: { conditions: end ? [{ type: end, status: 'True' }] : [] },
  };
}

/** The pod of a finished Job, with its termination message. */
export function run(of: string, message: string, exitCode = 0): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: `${of}-x`, labels: { 'batch.kubernetes.io/job-name': of } },
    status: { containerStatuses: [{ state: { terminated: { exitCode, message } } }] },
  };
}

export function report(over: Partial<MigrationReport> = {}): string {
  return JSON.stringify({
    outcome: 'done',
    current: 'E1',
    applied: [],
    pending: [],
    backfills: [],
    contracts: [],
    durationMs: 10,
    ...over,
  });
}
