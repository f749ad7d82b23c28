/** ServiceAccounts with few permissions. */
import { join } from 'node:path';
import type { ResourceType } from '../../../operator/runtime/kube-types.js';
import type { Sandbox } from '../../../sandbox/sandbox.js';

export interface AccountRequest {
  name: string;
  namespace: string;
  rules: { apiGroups: string[]; resources: string[]; verbs: string[] }[];
  /** Grants the rules in all namespaces. */
  everywhere?: boolean;
}

const RBAC = 'rbac.authorization.k8s.io';

/** Creates a ServiceAccount with these rules, and returns its token. */
export async function newAccount(sandbox: Sandbox, request: AccountRequest): Promise<string> {
  const { name, namespace, rules, everywhere = false } = request;
  const kind = everywhere ? 'ClusterRole' : 'Role';
  const own = { name, namespace };
  const metadata = everywhere ? { name: `${namespace}-${name}` } : own;
  await sandbox.parts.kubectl.apply([
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: own },
    { apiVersion: `${RBAC}/v1`, kind, metadata, rules },
    {
      ...{ apiVersion: `${RBAC}/v1`, kind: `${kind}Binding`, metadata },
      roleRef: { apiGroup: RBAC, kind, name: metadata.name },
      subjects: [{ kind: 'ServiceAccount', ...own }],
    },
  ]);
  const tokens: ResourceType = {
    ...{ group: '', version: 'v1', kind: 'TokenRequest', namespaced: true },
    plural: `serviceaccounts/${name}/token`,
  };
  const answer = await sandbox.parts.client.create(tokens, {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    metadata: own,
    spec: { expirationSeconds: 3_600 },
  });
  return (answer.status as { token: string }).token;
}

/** Writes a kubeconfig with read access to the PcfApis of a namespace only. */
export async function readerKubeconfig(sandbox: Sandbox, namespace: string, name: string): Promise<string> {
  const rules = [{ apiGroups: ['pcf.dev'], resources: ['pcfapis'], verbs: ['get', 'list', 'watch'] }];
  const token = await newAccount(sandbox, { name, namespace, rules });
  const path = join(sandbox.stateDir, `kubeconfig-${name}`);
  sandbox.parts.cluster.writeKubeconfigFor(path, name, token);
  return path;
}
