/** The Job of a measurement, and its result. Pure. */
import { createHash } from 'node:crypto';
import { durationMs } from '../api/v1alpha1/kubernetes.js';
import { JobKind } from '../resources/kinds.js';
import { LABELS, owned } from '../resources/metadata.js';
import { CONTAINER_SECURITY, POD_SECURITY, podMetadata } from '../resources/pod-template.js';
import type { KubeObject } from '../runtime/kube-types.js';
import type { Due, Reading } from './analysis-model.js';
import type { Request } from './providers/provider.js';

/** TTL of finished Jobs, so that their logs can be read. */
const KEEP_SECONDS = 3600;

/**
 * The name is unique per measurement, so that a restarted operator finds the Job instead of creating a second
 * one.
 */
export function analysisJobName(revision: string, { name, since, number }: Due): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([name, since, number]))
    .digest('hex');
  return `${revision}-a${hash.slice(0, 9)}`;
}

/** Whether it is a Job of a measurement. The cleanup of a revision ignores it, because it has a TTL. */
export function isAnalysisJob({ metadata }: KubeObject): boolean {
  return metadata.labels?.[LABELS.analysis] !== undefined;
}

/** Runs once, without permissions, and only with the Secrets that its variables reference. */
export function analysisJob({ api, subject, metric, due }: Request): KubeObject {
  const { image, command, args, env, resources, timeout } = metric.spec.job!;
  const { nodeSelector, tolerations, priorityClassName, affinity } = api.spec.scheduling ?? {};
  const labels = { [LABELS.analysis]: due.name };
  const names = {
    PCF_NAMESPACE: subject.namespace,
    PCF_NAME: subject.name,
    PCF_REVISION: subject.revision,
    ...(subject.stableRevision ? { PCF_STABLE_REVISION: subject.stableRevision } : {}),
  };
  return owned(api, JobKind, analysisJobName(subject.revision, due), {
    labels: { ...labels, [LABELS.analysedRevision]: subject.revision },
    spec: {
      activeDeadlineSeconds: Math.ceil(durationMs(timeout) / 1000),
      ttlSecondsAfterFinished: KEEP_SECONDS,
      backoffLimit: 0,
      // A node drain is not a failure of the revision: the pod runs again.
      podFailurePolicy: { rules: [{ action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget' }] }] },
      template: {
        // Without the labels of the PcfApi: its Services and NetworkPolicy must not select this pod.
        metadata: podMetadata(api, labels),
        spec: {
          restartPolicy: 'Never',
          automountServiceAccountToken: false,
          ...(api.spec.imagePullSecrets?.length ? { imagePullSecrets: api.spec.imagePullSecrets } : {}),
          ...(nodeSelector ? { nodeSelector } : {}),
          ...(tolerations ? { tolerations } : {}),
          ...(priorityClassName ? { priorityClassName } : {}),
          ...(affinity ? { affinity } : {}),
          securityContext: POD_SECURITY,
          containers: [
            {
              name: 'measure',
              image: image ?? subject.image,
              ...(command ? { command } : {}),
              ...(args ? { args } : {}),
              env: [...Object.entries(names).map(([name, value]) => ({ name, value })), ...env],
              ...(resources ? { resources } : {}),
              terminationMessagePolicy: 'FallbackToLogsOnError',
              securityContext: CONTAINER_SECURITY,
              volumeMounts: [{ name: 'tmp', mountPath: '/tmp' }],
            },
          ],
          volumes: [{ name: 'tmp', emptyDir: {} }],
        },
      },
    },
  });
}

interface Job extends KubeObject {
  status?: { conditions?: { type: string; status: string; reason?: string; message?: string }[] };
}

/** Result of a Job; undefined while it runs. */
export function readingOf(object: KubeObject): Reading | undefined {
  const { metadata, status } = object as Job;
  const holds = (...types: string[]) =>
    status?.conditions?.find((it) => types.includes(it.type) && it.status === 'True');
  if (holds('Complete', 'SuccessCriteriaMet')) {
    return { type: 'Verdict', outcome: 'Success', message: `Job ${metadata.name} succeeded` };
  }
  const failed = holds('Failed', 'FailureTarget');
  if (!failed) return undefined;
  const why = failed.reason === 'DeadlineExceeded' ? ': it took too long' : '';
  return {
    type: 'Verdict',
    outcome: 'Failure',
    message: `Job ${metadata.name} failed${why}; see kubectl logs job/${metadata.name}`,
  };
}
