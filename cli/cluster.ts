/** Cluster access of a command: kubeconfig, context and namespace with the semantics of kubectl. */
import { KubeConfig } from '@kubernetes/client-node';
import { Command, Option } from 'commander';
import type { PcfApi } from '../operator/api/v1alpha1/pcfapi.js';
import { PcfApiKind } from '../operator/resources/kinds.js';
import { isNotFound, KubeClient } from '../operator/runtime/kube-client.js';
import { CliError } from './output.js';

/**
 * Field manager of the edits. Not `kubectl-...`: Flux reverts fields of managers with such names.
 */
export const FIELD_MANAGER = 'pcf-cli';

export interface ClusterOptions {
  namespace?: string;
  context?: string;
  kubeconfig?: string;
}

export interface ClusterAccess {
  client: KubeClient;
  namespace: string;
}

/** A command with the options for cluster access. */
export function clusterCommand(name: string): Command {
  return new Command(name)
    .addOption(new Option('-n, --namespace <name>', 'namespace; default: the namespace of the context'))
    .addOption(new Option('--context <name>', 'context of the kubeconfig'))
    .addOption(new Option('--kubeconfig <file>', 'kubeconfig; default: $KUBECONFIG, then ~/.kube/config'));
}

/** Runs `work` with a client and closes it. Throws a {@link CliError} if the kubeconfig is not usable. */
export async function withCluster<T>(
  options: ClusterOptions,
  work: (access: ClusterAccess) => Promise<T>,
): Promise<T> {
  const config = load(options);
  const context = config.getContextObject(config.getCurrentContext());
  const client = new KubeClient(config, { timeoutMs: 15_000 });
  try {
    return await work({ client, namespace: options.namespace ?? context?.namespace ?? 'default' });
  } finally {
    await client.close();
  }
}

function load({ kubeconfig, context }: ClusterOptions): KubeConfig {
  const config = new KubeConfig();
  try {
    if (kubeconfig) config.loadFromFile(kubeconfig);
    else config.loadFromDefault();
  } catch (error) {
    throw new CliError(`the kubeconfig can't be read: ${(error as Error).message}`);
  }
  if (context) {
    const known = config.getContexts().map(({ name }) => name);
    if (!known.includes(context))
      throw new CliError(`the kubeconfig has no context "${context}"; it has ${known.join(', ') || 'none'}`);
    config.setCurrentContext(context);
  }
  if (!config.getCurrentCluster())
    throw new CliError('there is no cluster in the kubeconfig; set KUBECONFIG');
  return config;
}

/** Reads a PcfApi. Throws a {@link CliError} with the existing names if it does not exist. */
export async function getPcfApi({ client, namespace }: ClusterAccess, name: string): Promise<PcfApi> {
  try {
    return (await client.get(PcfApiKind, namespace, name)) as unknown as PcfApi;
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
  throw new CliError(
    `there is no PcfApi "${name}" in namespace ${namespace}; ${await existingNames(client, namespace)}`,
  );
}

async function existingNames(client: KubeClient, namespace: string): Promise<string> {
  const names = await client.list(PcfApiKind, { namespace }).then(
    ({ items }) => items.map(({ metadata }) => metadata.name),
    () => undefined,
  );
  if (!names) return 'the cluster has no such kind: is the operator installed?';
  return names.length > 0 ? `there is ${names.join(', ')}` : 'there is none in it';
}
