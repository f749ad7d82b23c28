import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { KubeObject } from '../runtime/kube-client.js';
import { DeploymentKind } from './kinds.js';
import { LABELS, owned, podSelector } from './metadata.js';
import type { Revision } from './revision.js';

/** The pods of one revision. Its template never changes, so it never rolls: delivery is done by two of these. */
export function deployment(api: PcfApi, revision: Revision, replicas: number): KubeObject {
  return owned(api, DeploymentKind, revision.name, {
    labels: { [LABELS.revision]: revision.name },
    spec: {
      replicas,
      // The revision is recorded in ControllerRevisions; the Deployment needs no history of its own.
      revisionHistoryLimit: 0,
      selector: { matchLabels: podSelector(api, revision.name) },
      template: revision.template,
    },
  });
}
