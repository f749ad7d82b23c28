/** The hook before contract (`migrations.beforeContract`): a Job, a VolumeSnapshot, or a Backup of CloudNativePG. */
import { createHash } from 'node:crypto';
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { BeforeContractJob } from '../api/v1alpha1/spec/data.js';
import { BackupKind, VolumeSnapshotKind } from '../resources/kinds.js';
import { type Component, commonLabels, LABELS } from '../resources/metadata.js';
import { CONTAINER_SECURITY, POD_SECURITY } from '../resources/pod-template.js';
import type { Revision } from '../resources/revision.js';
import { apiVersionOf, type KubeObject, type ResourceType } from '../runtime/kube-types.js';
import type { JobView } from './job-view.js';
import { MIGRATION_CONTAINER, stageJob } from './migration-job.js';

/**
 * Unique per promotion: after an undo and another promotion, a backup of the first promotion is outdated. `run`: from 1;
 * an outdated backup is followed by another run of the same attempt.
 */
export function hookName(revision: string, promotedAt: string | undefined, attempt: number, run = 1): string {
  const id = run > 1 ? `${promotedAt}/${attempt}/${run}` : `${promotedAt}/${attempt}`;
  const hash = createHash('sha256').update(id).digest('hex');
  return `${revision}-hook-${hash.slice(0, 5)}`;
}

/** The hook of the spec, for the recorded promotion. */
export function hookObject(api: PcfApi, revision: Revision, attempt: number, run = 1): KubeObject {
  const { job, volumeSnapshot, backup } = api.spec.migrations!.beforeContract!;
  const name = hookName(revision.name, api.status?.delivery?.promotedAt, attempt, run);
  if (job) return hookJob(api, name, revision, job);
  if (volumeSnapshot) {
    const { persistentVolumeClaimName, className } = volumeSnapshot;
    return retainedObject(api, VolumeSnapshotKind, name, revision, {
      source: { persistentVolumeClaimName },
      ...(className ? { volumeSnapshotClassName: className } : {}),
    });
  }
  const { cluster, method, plugin } = backup!;
  return retainedObject(api, BackupKind, name, revision, {
    cluster: { name: cluster },
    method,
    ...(plugin ? { pluginConfiguration: { name: plugin } } : {}),
  });
}

/** Without an owner: otherwise Kubernetes would delete it with the PcfApi, and the backup with it. */
function retainedObject(
  api: PcfApi,
  type: ResourceType,
  name: string,
  revision: Revision,
  spec: object,
): KubeObject {
  const labels = {
    ...commonLabels(api),
    [LABELS.component]: 'migration' satisfies Component,
    [LABELS.revision]: revision.name,
    [LABELS.stage]: 'hook',
  };
  return {
    apiVersion: apiVersionOf(type),
    kind: type.kind,
    metadata: { name, namespace: api.metadata.namespace, labels },
    spec,
  };
}

interface Backup extends KubeObject {
  status?: {
    readyToUse?: boolean;
    phase?: string;
    stoppedAt?: string;
    /** Of a VolumeSnapshot: the time at which it was taken. An upload after it is not included. */
    creationTime?: string;
    error?: string | { message?: string };
  };
}

/** The state of a VolumeSnapshot or a Backup, which is never `Lost`. */
export function backupView(name: string, found: KubeObject | undefined): JobView {
  if (!found) return { name, state: 'Absent', failures: 0 };
  const { readyToUse, phase, stoppedAt, creationTime, error } = (found as Backup).status ?? {};
  if (readyToUse || phase === 'completed') {
    const finishedAt = stoppedAt ?? creationTime;
    return { name, state: 'Succeeded', failures: 0, ...(finishedAt ? { finishedAt } : {}) };
  }
  const message = typeof error === 'string' ? error : error?.message;
  if (!error && phase !== 'failed') return { name, state: 'Running', failures: 0 };
  const why = message ? `: ${message}` : '';
  return { name, state: 'Failed', error: `${found.kind} ${name} failed${why}`, failures: 1 };
}

function hookJob(api: PcfApi, name: string, revision: Revision, given: BeforeContractJob): KubeObject {
  const { metadata } = revision.template;
  const labels = { ...metadata.labels, [LABELS.component]: 'migration' satisfies Component };
  const template = {
    metadata: { ...metadata, labels },
    spec: {
      ...(given.serviceAccountName
        ? { serviceAccountName: given.serviceAccountName }
        : { automountServiceAccountToken: false }),
      ...(api.spec.imagePullSecrets?.length ? { imagePullSecrets: api.spec.imagePullSecrets } : {}),
      securityContext: POD_SECURITY,
      containers: [hookContainer(api, revision, given)],
      volumes: [{ name: 'tmp', emptyDir: {} }],
    },
  };
  return stageJob(api, name, revision, 'hook', template);
}

function hookContainer(api: PcfApi, revision: Revision, given: BeforeContractJob) {
  const { image, command, args, env, resources } = given;
  const { namespace, name } = api.metadata;
  const names = { PCF_NAMESPACE: namespace, PCF_NAME: name, PCF_REVISION: revision.name };
  return {
    name: MIGRATION_CONTAINER,
    image,
    ...(command ? { command } : {}),
    ...(args ? { args } : {}),
    env: [...Object.entries(names).map(([key, value]) => ({ name: key, value })), ...env],
    ...(resources ? { resources } : {}),
    terminationMessagePolicy: 'FallbackToLogsOnError',
    securityContext: CONTAINER_SECURITY,
    volumeMounts: [{ name: 'tmp', mountPath: '/tmp' }],
  };
}
