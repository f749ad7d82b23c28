/** `pcf-operator check-uninstall`: the command of the chart's pre-delete hook. */
import { KubeConfig } from '@kubernetes/client-node';
import { FINALIZER } from './api/v1alpha1/pcfapi.js';
import { PcfApiKind } from './resources/kinds.js';
import { isNotFound, KubeClient } from './runtime/kube-client.js';

/** Why the operator must not be uninstalled now; undefined if it may be. */
export async function uninstallObstacle(
  client: Pick<KubeClient, 'list'>,
  namespaces: readonly string[],
): Promise<string | undefined> {
  const scopes = namespaces.length > 0 ? namespaces.map((namespace) => ({ namespace })) : [{}];
  const lists = await Promise.all(scopes.map((scope) => client.list(PcfApiKind, scope).catch(withoutCrd)));
  const held = lists
    .flatMap(({ items }) => items)
    .filter(({ metadata }) => metadata.finalizers?.includes(FINALIZER))
    .map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
  if (held.length === 0) return undefined;
  return (
    `${held.length} PcfApis exist, and without the operator the finalizer ${FINALIZER} would block their deletion: ` +
    `${held.slice(0, 10).join(', ')}${held.length > 10 ? ', ...' : ''}. Delete them first, ` +
    'or uninstall with: helm uninstall --no-hooks'
  );
}

/** Without the CRD there is no PcfApi. */
function withoutCrd(error: unknown): { items: [] } {
  if (!isNotFound(error)) throw error;
  return { items: [] };
}

export async function checkUninstall(namespaces: readonly string[]): Promise<string | undefined> {
  const config = new KubeConfig();
  config.loadFromDefault();
  const client = new KubeClient(config, { timeoutMs: 15_000 });
  try {
    return await uninstallObstacle(client, namespaces);
  } finally {
    await client.close();
  }
}
