/** The Job that runs a revision's migrations before its first pod starts. */
import { EXIT, ROLES } from '../../contract/image.js';
import { durationMs } from '../api/v1alpha1/kubernetes.js';
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import { JobKind } from '../resources/kinds.js';
import { type Component, LABELS, owned } from '../resources/metadata.js';
import { variant } from '../resources/pod-template.js';
import type { Revision } from '../resources/revision.js';
import type { KubeObject } from '../runtime/kube-client.js';

export const DEFAULT_DEADLINE = '15m';

/** `attempt` counts from 1: a Job that failed stays as it is, and another try is another Job. */
export function migrationJobName(revision: string, attempt = 1): string {
  return attempt > 1 ? `${revision}-migrate-${attempt}` : `${revision}-migrate`;
}

/**
 * Same image, settings and Secrets as the revision's pods. The Job controller
 * tries again with exponential backoff until the deadline; a refusal (bad
 * settings) ends it at once, because trying again can't mend it.
 */
export function migrationJob(api: PcfApi, revision: Revision, attempt?: number): KubeObject {
  const deadlineMs = durationMs(api.spec.migrations?.deadline ?? DEFAULT_DEADLINE);
  const labels = { [LABELS.component]: 'migration' satisfies Component, [LABELS.revision]: revision.name };
  const { startupProbe, readinessProbe, livenessProbe, ports, ...container } =
    revision.template.spec.containers[0];
  const template = variant(revision.template, 'migration', {
    ...container,
    name: 'migrate',
    args: [...ROLES.migrateUp],
  });
  return owned(api, JobKind, migrationJobName(revision.name, attempt), {
    labels,
    spec: {
      activeDeadlineSeconds: Math.ceil(deadlineMs / 1000),
      backoffLimit: 20,
      podFailurePolicy: {
        rules: [
          {
            action: 'FailJob',
            onExitCodes: { containerName: 'migrate', operator: 'In', values: [EXIT.usage, EXIT.config] },
          },
        ],
      },
      template: { metadata: template.metadata, spec: { ...template.spec, restartPolicy: 'Never' } },
    },
  });
}
