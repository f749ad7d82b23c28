/** `kubectl pcf wait`: waits for the result of a delivery. */
import { type Command, Option } from 'commander';
import type { PcfApi } from '../operator/api/v1alpha1/pcfapi.js';
import type { KubeObject } from '../operator/runtime/kube-types.js';
import { type ClusterOptions, clusterCommand, getPcfApi, withCluster } from './cluster.js';
import { seconds } from './seconds.js';
import { failed, isTrue, type Progress, pending, readyMessage, waitFor } from './wait-for.js';

export interface Goal {
  /** Image that must be delivered. The wait fails if the spec has another one. */
  image: string;
  /** `ready` is also reached by a canary at the desired weight, which waits for an engineer. */
  state: 'promoted' | 'ready';
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
          await waitFor(access, name, {
            known: api as unknown as KubeObject,
            progressOf: (current) => progressOf(current, goal),
            unmet: `${goal.image} is not ${goal.state}`,
            timeoutSeconds: options.timeout,
          });
          console.log(`pcfapi.pcf.dev/${name} ${goal.image} ${goal.state}`);
        });
      },
    );
}

/** Compares a PcfApi with the goal. A status of an older spec is pending. */
export function progressOf(api: PcfApi, goal: Goal): Progress {
  const { metadata, spec, status = {} } = api;
  if (spec.image !== goal.image)
    return failed(`the spec has the image ${spec.image}: ${goal.image} is no longer delivered`);
  if (status.observedGeneration !== metadata.generation)
    return pending('the operator has not observed the newest spec');
  const message = readyMessage(api);
  if (isTrue(api, 'Stalled')) return failed(message);
  // A paused PcfApi is Ready too, but does not deliver the changed spec.
  const isReady = isTrue(api, 'Ready') && status.phase !== 'Paused';
  const isPromoted = !status.updateRevision && status.stableImage === goal.image;
  return { result: isReady && (isPromoted || goal.state === 'ready') ? 'Reached' : 'Pending', message };
}
