/** `kubectl pcf promote | abort | retry | undo | adopt | history`: deliveries. */
import type { Command } from 'commander';
import { authorsOf } from '../operator/dashboard/view/authors.js';
import { type Action, abort, adopt, describeUndoPlan, promote, retry, undo } from './actions.js';
import { type ClusterOptions, clusterCommand, getPcfApi, withCluster } from './cluster.js';
import { age, outputOption, printJson, report, table } from './output.js';

type Options = ClusterOptions & { output: string };

export function promoteCommand(): Command {
  return clusterCommand('promote')
    .description('Continue a delivery that is paused at a step.')
    .argument('<name>', 'the PcfApi')
    .option('--full', 'skip all remaining steps', false)
    .addOption(outputOption())
    .action((name: string, options: Options & { full: boolean }) =>
      run(promote(options.full), name, options),
    );
}

export function abortCommand(): Command {
  return clusterCommand('abort')
    .description('Abort a delivery. All traffic returns to the stable revision immediately.')
    .argument('<name>', 'the PcfApi')
    .addOption(outputOption())
    .action((name: string, options: Options) => run(abort, name, options));
}

export function retryCommand(): Command {
  return clusterCommand('retry')
    .description('Retry an aborted revision.')
    .argument('<name>', 'the PcfApi')
    .addOption(outputOption())
    .action((name: string, options: Options) => run(retry, name, options));
}

export function undoCommand(): Command {
  return clusterCommand('undo')
    .description(
      'Roll back to an earlier revision, including its settings. Immediate while its pods still run.',
    )
    .argument('<name>', 'the PcfApi')
    .option('--to <revision>', 'name or number of the revision; default: the previous stable revision')
    .option('--dry-run', 'print what would be restored and lost, and change nothing', false)
    .addOption(outputOption())
    .addHelpText(
      'after',
      '\nWith GitOps, revert the commit in Git too. Otherwise the next sync applies it again.',
    )
    .action((name: string, options: Options & { to?: string; dryRun: boolean }) =>
      options.dryRun ? printUndoPlan(name, options) : run(undo(options.to), name, options),
    );
}

async function printUndoPlan(name: string, options: Options & { to?: string }): Promise<void> {
  await withCluster(options, async (access) => {
    const lines = await describeUndoPlan(access, name, options.to);
    if (options.output === 'json') printJson({ dryRun: lines });
    else console.log(lines.join('\n'));
  });
}

export function adoptCommand(): Command {
  return clusterCommand('adopt')
    .description(
      'Deliver the same spec again with the pod template of the current operator version. An upgrade of the operator alone restarts no pods.',
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
    .description('Show finished deliveries with their outcome.')
    .argument('<name>', 'the PcfApi')
    .addOption(outputOption())
    .action((name: string, options: Options) =>
      withCluster(options, async (access) => {
        const { history = [] } = (await getPcfApi(access, name)).status ?? {};
        if (options.output === 'json') return printJson(history);
        if (history.length === 0) return console.log(`no delivery of ${name} has finished yet`);
        const rows = history.map((record) => [
          `${record.number}`,
          record.image,
          record.outcome + (record.reason ? ` (${record.reason})` : ''),
          age(record.finishedAt),
          duration(record.startedAt, record.finishedAt),
          authorsOf(record) ?? '-',
          record.commit?.slice(0, 12) ?? '-',
        ]);
        console.log(table(['REVISION', 'IMAGE', 'OUTCOME', 'AGE', 'DURATION', 'BY', 'COMMIT'], rows));
      }),
    );
}

function duration(from: string, to: string): string {
  return age(from, Date.parse(to));
}
