/** `kubectl pcf status`. */
import type { Command } from 'commander';
import type { PcfApi } from '../../operator/api/v1alpha1/pcfapi.js';
import { desiredPods } from '../../operator/api/v1alpha1/status.js';
import { PcfApiKind } from '../../operator/resources/kinds.js';
import { type ClusterAccess, type ClusterOptions, clusterCommand, withCluster } from '../cluster.js';
import { age, CliError, outputOption, printJson, table } from '../output.js';
import { deletionLines } from './deletion.js';
import { takePicture } from './picture.js';
import { screen } from './screen.js';
import { untilInterrupted, watchPcfApi } from './watch.js';

type StatusOptions = ClusterOptions & { watch: boolean; output: string };

export function statusCommand(): Command {
  return clusterCommand('status')
    .description('Show the status of PcfApis: revisions, desired and effective weight, migrations, events.')
    .argument('[name]', 'the PcfApi; default: all in the namespace')
    .option('-w, --watch', 'watch for changes', false)
    .addOption(outputOption())
    .addHelpText(
      'after',
      '\nExamples:\n  $ kubectl pcf status\n  $ kubectl pcf status pcf-api -n platform --watch',
    )
    .action(async (name: string | undefined, options: StatusOptions) => {
      await withCluster(options, async (access) => {
        if (!name && options.watch) throw new CliError('--watch needs the name of a PcfApi');
        if (!name) return showAll(access, options);
        const show = async () => print(access, name, options);
        await show();
        if (options.watch) await watchPcfApi(access, name, show, untilInterrupted());
      });
    });
}

const HOME_AND_CLEAR = '\u001b[H\u001b[J';

async function print(access: ClusterAccess, name: string, { output, watch }: StatusOptions): Promise<void> {
  const picture = await takePicture(access, name);
  if (output === 'json') return printJson(picture);
  // Redraws the screen in a terminal, appends to a file.
  const clear = watch && process.stdout.isTTY ? HOME_AND_CLEAR : '';
  process.stdout.write(`${clear}${screen(picture)}\n${watch && !clear ? '\n' : ''}`);
}

async function showAll({ client, namespace }: ClusterAccess, { output }: StatusOptions): Promise<void> {
  const { items } = await client.list(PcfApiKind, { namespace });
  if (output === 'json') return printJson(items);
  if (items.length === 0) return console.log(`no PcfApi found in namespace ${namespace}`);
  const rows = (items as unknown as PcfApi[]).map(row);
  console.log(table(['NAME', 'PHASE', 'STABLE', 'CANARY', 'WEIGHT', 'READY', 'AGE', 'MESSAGE'], rows));
}

function row(api: PcfApi): string[] {
  const { metadata, status = {} } = api;
  const deletion = deletionLines(api);
  return [
    metadata.name,
    deletion ? 'Deleting' : (status.phase ?? 'Pending'),
    status.stableImage ?? '-',
    status.updateImage ?? '-',
    status.updateRevision ? `${status.traffic?.effectiveWeight ?? 0} %` : '-',
    `${status.readyReplicas ?? 0}/${desiredPods(status)}`,
    age(metadata.creationTimestamp),
    deletion?.[0] ?? status.conditions?.find(({ type }) => type === 'Ready')?.message ?? '',
  ];
}
