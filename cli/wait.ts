/** `kubectl pcf wait`: waits for the result of a delivery. Needs no permissions but get, list and watch of PcfApis. */
import { type Command, Option } from 'commander';
import { pino } from 'pino';
import type { PcfApi } from '../operator/api/v1alpha1/pcfapi.js';
import { PcfApiKind } from '../operator/resources/kinds.js';
import { ResourceEventType } from '../operator/runtime/event-types.js';
import { ResourceCache } from '../operator/runtime/resource-cache.js';
import {
  type ClusterAccess,
  type ClusterOptions,
  clusterCommand,
  getPcfApi,
  withCluster,
} from './cluster.js';
import { CliError } from './output.js';
import { seconds } from './seconds.js';

export interface Goal {
  /** Image that must be delivered. The wait fails if the spec has another one. */
  image: string;
  /** `ready` is also reached by a canary at the desired weight, which waits for an engineer. */
  state: 'promoted' | 'ready';
}

export interface Progress {
  result: 'Pending' | 'Reached' | 'Failed';
  message: string;
}

export function waitCommand(): Command {
  return clusterCommand('wait')
    .description('Wait until a delivery is promoted. Exits with code 1 if it fails.')
    .argument('<name>', 'the PcfApi')
    .option('--image <image>', 'image that must be delivered; default: the current image of the spec')
    .addOption(
      new Option('--for <state>', 'ready: also a canary at the desired weight')
        .choices(['promoted', 'ready'])
        .default('promoted'),
    )
    .option('--timeout <seconds>', 'timeout in seconds', seconds, 3600)
    .addHelpText('after', '\nExample:\n  $ kubectl pcf wait pcf-api -n platform --image "$IMAGE"')
    .action(
      async (
        name: string,
        options: ClusterOptions & { image?: string; for: Goal['state']; timeout: number },
      ) => {
        await withCluster(options, async (access) => {
          const api = await getPcfApi(access, name);
          const goal: Goal = { image: options.image ?? api.spec.image, state: options.for };
          await waitForGoal(access, name, goal, options.timeout);
          console.log(`pcfapi.pcf.dev/${name} ${goal.image} ${goal.state}`);
        });
      },
    );
}

/** Prints each message of the Ready condition. Throws a {@link CliError} on failure and after `timeoutSeconds`. */
async function waitForGoal(
  { client, namespace }: ClusterAccess,
  name: string,
  goal: Goal,
  timeoutSeconds: number,
): Promise<void> {
  const fieldSelector = `metadata.name=${name}`;
  // The cache retries a forbidden request without limit.
  await client.list(PcfApiKind, { namespace, fieldSelector });
  const options = { namespaces: [namespace], fieldSelector };
  const cache = new ResourceCache(PcfApiKind, client, pino({ level: 'silent' }), options);
  const stop = new AbortController();
  let progress: Progress = { result: 'Pending', message: 'no status was received' };
  cache.on(({ type, object }) => {
    const isDeleted = type === ResourceEventType.Deleted;
    const next = isDeleted ? failed('the PcfApi was deleted') : progressOf(object as unknown as PcfApi, goal);
    if (next.result === 'Pending' && next.message !== progress.message) console.error(next.message);
    progress = next;
    if (next.result !== 'Pending') stop.abort();
  });
  await cache.run(AbortSignal.any([stop.signal, AbortSignal.timeout(timeoutSeconds * 1000)]));
  if (progress.result === 'Failed') throw new CliError(progress.message);
  if (progress.result === 'Pending')
    throw new CliError(`${goal.image} is not ${goal.state} after ${timeoutSeconds} s: ${progress.message}`);
}

/** Compares a PcfApi with the goal. A status of an older spec is pending. */
export function progressOf({ metadata, spec, status = {} }: PcfApi, goal: Goal): Progress {
  if (spec.image !== goal.image)
    return failed(`the spec has the image ${spec.image}: ${goal.image} is no longer delivered`);
  if (status.observedGeneration !== metadata.generation)
    return { result: 'Pending', message: 'the operator has not observed the newest spec' };
  const condition = (name: string) => status.conditions?.find(({ type }) => type === name);
  const message = condition('Ready')?.message ?? '';
  if (condition('Stalled')?.status === 'True') return failed(message);
  // A paused PcfApi is Ready too, but does not deliver the changed spec.
  const isReady = condition('Ready')?.status === 'True' && status.phase !== 'Paused';
  const isPromoted = !status.updateRevision && status.stableImage === goal.image;
  return { result: isReady && (isPromoted || goal.state === 'ready') ? 'Reached' : 'Pending', message };
}

function failed(message: string): Progress {
  return { result: 'Failed', message };
}
