/** Installs the CRDs of other projects, and the operator from its own manifests. */
import { setTimeout as sleep } from 'node:timers/promises';
import { customResourceDefinitions, type Project } from '../../../sandbox/crds.js';
import type { RealCluster } from './real-cluster.js';

const PROJECTS: readonly Project[] = [
  ...(['istio', 'gatewayApi', 'verticalPodAutoscaler'] as const),
  ...(['prometheusOperator', 'certManager', 'externalSecrets'] as const),
];

export async function installCrds({ kubectl }: RealCluster): Promise<void> {
  const found = await Promise.all(PROJECTS.map((name) => customResourceDefinitions(name)));
  await kubectl.apply(found.flat(), '--server-side');
  const isEstablished = () =>
    kubectl.run(['wait', '--for=condition=Established', 'crd', '--all', '--timeout=60s']);
  // kubectl fails on a CRD that has no status yet.
  await isEstablished().catch(() => sleep(2_000).then(isEstablished));
}

/** As in docs/install.md: `kubectl apply --server-side -k deploy/k8s`. */
export async function installOperator({ kubectl }: RealCluster): Promise<void> {
  await kubectl.run(['apply', '--server-side', '-k', 'deploy/k8s']);
  await kubectl.run(['rollout', 'status', 'deployment/pcf-operator', '-n', 'pcf-system', '--timeout=120s']);
}
