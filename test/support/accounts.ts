/** A person of the cluster with few rights. */
import { join } from 'node:path';
import type { ResourceType } from '../../operator/runtime/kube-types.js';
import type { Sandbox } from '../../sandbox/sandbox.js';

const READER = [{ apiGroups: ['pcf.dev'], resources: ['pcfapis'], verbs: ['get', 'list', 'watch'] }];

/** A kubeconfig of one who may look at the PcfApis of a namespace, and at nothing else. */
export async function readerKubeconfig(sandbox: Sandbox, namespace: string, name: string): Promise<string> {
  const metadata = { name, namespace };
  const rbac = 'rbac.authorization.k8s.io';
  await sandbox.parts.kubectl.apply([
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata },
    { apiVersion: `${rbac}/v1`, kind: 'Role', metadata, rules: READER },
    {
      ...{ apiVersion: `${rbac}/v1`, kind: 'RoleBinding', metadata },
      roleRef: { apiGroup: rbac, kind: 'Role', name },
      subjects: [{ kind: 'ServiceAccount', name, namespace }],
    },
  ]);
  const token: ResourceType = {
    group: '',
    version: 'v1',
    kind: 'TokenRequest',
    plural: `serviceaccounts/${name}/token`,
    namespaced: true,
  };
  const answer = await sandbox.parts.client.create(token, {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    metadata: { name, namespace },
    spec: { expirationSeconds: 3_600 },
  });
  const path = join(sandbox.stateDir, `kubeconfig-${name}`);
  sandbox.parts.cluster.writeKubeconfigFor(path, name, (answer.status as { token: string }).token);
  return path;
}
