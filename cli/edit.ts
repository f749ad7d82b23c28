/** `kubectl pcf weight | pause | resume`: short commands for edits of the spec. */
import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import type { PcfApi } from '../operator/api/v1alpha1/pcfapi.js';
import { setPaused, setWeight } from './actions.js';
import { type ClusterOptions, clusterCommand, withCluster } from './cluster.js';
import { outputOption, report } from './output.js';
import { seconds } from './seconds.js';
import { failed, isTrue, type Progress, pending, readyMessage, waitFor } from './wait-for.js';

type EditOptions = ClusterOptions & { output: string };

export function weightCommand(): Command {
  return clusterCommand('weight')
    .description('Set the weight of the new revision, in percent of the traffic. 100 promotes it.')
    .argument('<name>', 'the PcfApi')
    .argument('<percent>', '0 to 100', percent)
    .option('--wait', 'wait until the weight is in effect', false)
    .option('--timeout <seconds>', 'timeout of --wait in seconds', seconds, 300)
    .addOption(outputOption())
    .addHelpText(
      'after',
      '\nExamples:\n  $ kubectl pcf weight pcf-api 25\n  $ kubectl pcf weight pcf-api 100 --wait',
    )
    .action(
      async (name: string, weight: number, options: EditOptions & { wait: boolean; timeout: number }) => {
        await withCluster(options, async (access) => {
          const { written, done } = await setWeight(weight)(access, name);
          report(options, written, done);
          if (!options.wait) return;
          await waitFor(access, name, {
            known: written,
            progressOf: (api) => progressOf(api, weight),
            unmet: `weight ${weight} is not in effect`,
            timeoutSeconds: options.timeout,
          });
        });
      },
    );
}

export function pauseCommand(): Command {
  return pausing('pause', true, 'Pause the delivery at its current weight.');
}

export function resumeCommand(): Command {
  return pausing('resume', false, 'Resume a paused delivery.');
}

function pausing(command: string, paused: boolean, description: string): Command {
  return clusterCommand(command)
    .description(description)
    .argument('<name>', 'the PcfApi')
    .addOption(outputOption())
    .action(async (name: string, options: EditOptions) => {
      await withCluster(options, async (access) => {
        const { written, done } = await setPaused(paused)(access, name);
        report(options, written, done);
      });
    });
}

/** Compares a PcfApi with the weight. Weight 100 is in effect after the promotion. */
export function progressOf(api: PcfApi, weight: number): Progress {
  const { metadata, spec, status } = api;
  if (spec.canaryWeight !== weight)
    return failed(`the spec has weight ${spec.canaryWeight}: ${weight} is no longer desired`);
  if (status?.observedGeneration !== metadata.generation) return pending(readyMessage(api));
  const { effectiveWeight, verified } = status.traffic ?? {};
  const reached: Progress = { result: 'Reached', message: '' };
  if (weight < 100 && effectiveWeight === weight && verified) return reached;
  if (isTrue(api, 'Stalled')) return failed(readyMessage(api));
  return status.updateRevision ? pending(readyMessage(api)) : reached;
}

function percent(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > 100)
    throw new InvalidArgumentError('It must be a whole number from 0 to 100.');
  return value;
}
