/** Whether the Deployments of the components have rolled to the stable revision. */
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import { componentName, EXTRA_COMPONENTS } from '../resources/components.js';
import { DeploymentKind } from '../resources/kinds.js';
import { LABELS } from '../resources/metadata.js';
import type { PodTemplate } from '../resources/pod-template.js';
import { workerName } from '../resources/worker-deployments.js';
import type { KubeObject } from '../runtime/kube-types.js';
import type { ClusterView } from './observed.js';

interface Deployment extends KubeObject {
  spec?: { template?: PodTemplate };
  status?: {
    observedGeneration?: number;
    conditions?: { type: string; status: string; reason?: string }[];
  };
}

/** Names of the Deployments that may still create a pod of another revision. */
export function updatingDeployments(api: PcfApi, caches: Pick<ClusterView, 'get' | 'ownedBy'>): string[] {
  const { stable } = api.status?.delivery ?? {};
  const rolling = EXTRA_COMPONENTS.map((component) => componentName(api, component)).filter((name) => {
    const deployment = caches.get(DeploymentKind, api, name) as Deployment | undefined;
    return deployment && (revisionOf(deployment) !== stable || !hasRolled(deployment));
  });
  // Workers of one revision: their Deployment is removed, and does not roll.
  const ofOthers = (caches.ownedBy(DeploymentKind, api) as Deployment[]).filter((deployment) => {
    const revision = revisionOf(deployment);
    return revision && revision !== stable && deployment.metadata.name === workerName(revision);
  });
  return [...rolling, ...ofOthers.map(({ metadata }) => metadata.name)];
}

function revisionOf({ spec }: Deployment): string | undefined {
  return spec?.template?.metadata.labels[LABELS.revision];
}

/** Kubernetes sets the reason once all pods of the template were available and no other was left. It remains if pods fail later. */
function hasRolled({ metadata, status }: Deployment): boolean {
  const progressing = status?.conditions?.find(({ type }) => type === 'Progressing');
  return (
    progressing?.reason === 'NewReplicaSetAvailable' &&
    (status?.observedGeneration ?? 0) >= (metadata.generation ?? 0)
  );
}
