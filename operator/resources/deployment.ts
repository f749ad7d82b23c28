import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { KubeObject } from '../runtime/kube-client.js';
import { DeploymentKind } from './kinds.js';
import { LABELS, owned, podSelector } from './metadata.js';
import type { Revision } from './revision.js';

/**
 * Pods of one revision. Its template never changes, so there is no rolling update: a delivery uses two
 * Deployments.
 */
export function deployment(api: PcfApi, revision: Revision, replicas: number): KubeObject {
  return owned(api, DeploymentKind, revision.name, {
    labels: { [LABELS.revision]: revision.name },
    spec: {
      replicas,
      // Revisions are recorded in ControllerRevisions; the Deployment needs no history.
      revisionHistoryLimit: 0,
      selector: { matchLabels: podSelector(api, revision.name) },
      template: revision.template,
    },
  });
}
