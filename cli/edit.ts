/** `kubectl pcf weight | pause | resume`: the edits an SRE makes under pressure, as short commands. */
import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import type { PcfApi } from '../operator/api/v1alpha1/pcfapi.js';
import { PcfApiKind } from '../operator/resources/kinds.js';
import {
  type ClusterAccess,
  type ClusterOptions,
  clusterCommand,
  FIELD_MANAGER,
  getPcfApi,
  withCluster,
} from './cluster.js';
import { outputOption, report } from './output.js';
import { waitForWeight } from './status/wait.js';

type EditOptions = ClusterOptions & { output: string };

export function weightCommand(): Command {
  return clusterCommand('weight')
    .description('Set the share of the traffic, in percent, that the new revision gets. 100 promotes it.')
    .argument('<name>', 'the PcfApi')
    .argument('<percent>', '0 to 100', percent)
    .option('--wait', 'wait until it is in force', false)
    .option('--timeout <seconds>', 'how long to wait', Number, 300)
    .addOption(outputOption())
    .addHelpText(
      'after',
      '\nExamples:\n  $ kubectl pcf weight pcf-api 25\n  $ kubectl pcf weight pcf-api 100 --wait',
    )
    .action(
      async (name: string, weight: number, options: EditOptions & { wait: boolean; timeout: number }) => {
        await withCluster(options, async (access) => {
          const before = await getPcfApi(access, name);
          const after = await edit(access, name, { canaryWeight: weight });
          const was = before.spec.canaryWeight === undefined ? 'unset' : `${before.spec.canaryWeight}`;
          report(options, after, `canaryWeight ${was} -> ${weight}`);
          if (options.wait) await waitForWeight(access, name, weight, options.timeout);
        });
      },
    );
}

export function pauseCommand(): Command {
  return pausing('pause', true, 'Freeze the delivery where it stands.', 'paused');
}

export function resumeCommand(): Command {
  return pausing('resume', false, 'Let a paused delivery go on.', 'resumed');
}

function pausing(command: string, paused: boolean, description: string, done: string): Command {
  return clusterCommand(command)
    .description(description)
    .argument('<name>', 'the PcfApi')
    .addOption(outputOption())
    .action(async (name: string, options: EditOptions) => {
      await withCluster(options, async (access) => {
        await getPcfApi(access, name); // says what there is when there is no such PcfApi
        report(options, await edit(access, name, { paused }), done);
      });
    });
}

async function edit({ client, namespace }: ClusterAccess, name: string, spec: Partial<PcfApi['spec']>) {
  return client.patch(PcfApiKind, namespace, name, { spec }, { fieldManager: FIELD_MANAGER });
}

function percent(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > 100)
    throw new InvalidArgumentError('It must be a whole number from 0 to 100.');
  return value;
}
