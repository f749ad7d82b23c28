/** `kubectl pcf promote | abort | retry | undo | adopt | history`: deliveries. */
import type { Command } from 'commander';
import { type Action, abort, adopt, promote, retry, undo } from './actions.js';
import { type ClusterOptions, clusterCommand, getPcfApi, withCluster } from './cluster.js';
import { age, outputOption, printJson, report, table } from './output.js';

type Options = ClusterOptions & { output: string };

export function promoteCommand(): Command {
  return clusterCommand('promote')
    .description('Let a delivery continue past the pause it stands at.')
    .argument('<name>', 'the PcfApi')
    .option('--full', 'skip all steps that are left', false)
    .addOption(outputOption())
    .action((name: string, options: Options & { full: boolean }) =>
      run(promote(options.full), name, options),
    );
}

export function abortCommand(): Command {
  return clusterCommand('abort')
    .description('Give a delivery up: the stable revision gets the traffic back at once.')
    .argument('<name>', 'the PcfApi')
    .addOption(outputOption())
    .action((name: string, options: Options) => run(abort, name, options));
}

export function retryCommand(): Command {
  return clusterCommand('retry')
    .description('Try a revision again that was aborted.')
    .argument('<name>', 'the PcfApi')
    .addOption(outputOption())
    .action((name: string, options: Options) => run(retry, name, options));
}

export function undoCommand(): Command {
  return clusterCommand('undo')
    .description(
      'Go back to an earlier revision: image, settings and all. At once, while its pods still run.',
    )
    .argument('<name>', 'the PcfApi')
    .option('--to <revision>', 'its name or number; default: the one before the stable one')
    .addOption(outputOption())
    .addHelpText('after', '\nWith GitOps, revert the change in Git too, or it comes back.')
    .action((name: string, options: Options & { to?: string }) => run(undo(options.to), name, options));
}

export function adoptCommand(): Command {
  return clusterCommand('adopt')
    .description(
      'Deliver the same spec again, in pods as the operator renders them now. An upgrade of the operator alone restarts none.',
    )
    .argument('<name>', 'the PcfApi')
    .addOption(outputOption())
    .action((name: string, options: Options) => run(adopt, name, options));
}

async function run(action: Action, name: string, options: Options): Promise<void> {
  await withCluster(options, async (access) => {
    const { written, done } = await action(access, name);
    report(options, written, done);
  });
}

export function historyCommand(): Command {
  return clusterCommand('history')
    .description('Show the revisions on record and how each delivery ended.')
    .argument('<name>', 'the PcfApi')
    .addOption(outputOption())
    .action((name: string, options: Options) =>
      withCluster(options, async (access) => {
        const { history = [] } = (await getPcfApi(access, name)).status ?? {};
        if (options.output === 'json') return printJson(history);
        if (history.length === 0) return console.log(`no delivery of ${name} has ended yet`);
        const rows = history.map((record) => [
          `${record.number}`,
          record.image,
          record.outcome + (record.reason ? ` (${record.reason})` : ''),
          age(record.finishedAt),
          duration(record.startedAt, record.finishedAt),
          record.by ?? '-',
          record.commit?.slice(0, 12) ?? '-',
        ]);
        console.log(table(['REVISION', 'IMAGE', 'OUTCOME', 'AGE', 'TOOK', 'BY', 'COMMIT'], rows));
      }),
    );
}

function duration(from: string, to: string): string {
  return age(from, Date.parse(to));
}
