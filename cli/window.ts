/** `kubectl pcf window | window override`: windows and freezes of PcfApis. */
import { Command, InvalidArgumentError } from 'commander';
import { durationMs, duration as durationSchema } from '../operator/api/v1alpha1/kubernetes.js';
import type { PcfApi } from '../operator/api/v1alpha1/pcfapi.js';
import type { WindowsStatus } from '../operator/api/v1alpha1/status/windows.js';
import { MAX_OVERRIDE_MS } from '../operator/delivery/windows/override.js';
import { PcfApiKind } from '../operator/resources/kinds.js';
import { overrideWindows, restoreWindows } from './actions.js';
import { type ClusterOptions, clusterCommand, getPcfApi, withCluster } from './cluster.js';
import { CliError, outputOption, paint, printJson, report, table } from './output.js';

type Options = ClusterOptions & { output: string };

export function windowCommand(): Command {
  return new Command('window')
    .description('Show and override the windows and freezes that hold deliveries.')
    .addCommand(showCommand(), { isDefault: true })
    .addCommand(overrideCommand())
    .addHelpText(
      'after',
      `
Examples:
  $ kubectl pcf window -n platform
  $ kubectl pcf window override pcf-api -n platform --reason "INC-4711: fix of the login" --for 1h`,
    );
}

function showCommand(): Command {
  return clusterCommand('show')
    .description('Show whether windows are open or closed, the next change, and the steps that they hold.')
    .argument('[name]', 'the PcfApi; default: all in the namespace')
    .addOption(outputOption())
    .action((name: string | undefined, options: Options) =>
      withCluster(options, async (access) => {
        const { client, namespace } = access;
        const apis = name
          ? [await getPcfApi(access, name)]
          : ((await client.list(PcfApiKind, { namespace })).items as unknown as PcfApi[]);
        if (options.output === 'json') return printJson(apis.map(windowsOf));
        if (apis.length === 0) return console.log(`no PcfApi found in namespace ${namespace}`);
        console.log(windowTable(apis));
      }),
    );
}

/** The windows of a PcfApi, for JSON. Without any, no step is held. */
function windowsOf({ metadata: { namespace, name }, status }: PcfApi) {
  const none: WindowsStatus = { state: 'Open' };
  return { namespace, name, ...(status?.windows ?? none) };
}

/** One row per window or freeze that is closed. */
export function windowTable(apis: readonly PcfApi[]): string {
  const rows = apis.flatMap(({ metadata, status }) => rowsOf(metadata.name, status?.windows));
  return table(['NAME', 'STATE', 'NEXT CHANGE', 'CLOSED BY', 'OPENS', 'HOLDS', 'REASON'], rows);
}

function rowsOf(name: string, windows: WindowsStatus | undefined): string[][] {
  if (!windows) return [[name, paint('green', 'Open'), '-', '-', '-', '-', 'no window or freeze applies']];
  const { state, nextChange = '-', closedBy = [], override } = windows;
  const first = [name, paint(state === 'Closed' ? 'yellow' : 'green', state), nextChange];
  const overridden =
    override && `overridden until ${override.until} by ${override.by ?? 'unknown'}: ${override.reason}`;
  if (closedBy.length === 0) return [[...first, '-', '-', '-', overridden ?? '-']];
  return closedBy.map(({ source, until = 'unknown', holds, reason }) => [
    ...first,
    source,
    until,
    holds.join(','),
    [reason, overridden].filter(Boolean).join('; ') || '-',
  ]);
}

interface OverrideOptions extends Options {
  reason?: string;
  for: number;
  end: boolean;
}

function overrideCommand(): Command {
  return clusterCommand('override')
    .description(
      'Override windows and freezes for a limited time. The reason is recorded in status and Events.',
    )
    .argument('<name>', 'the PcfApi')
    .option('--reason <text>', 'reason of the override')
    .option('--for <duration>', 'duration, such as 30m; at most 168h', overrideDuration, durationMs('1h'))
    .option('--end', 'end the override now', false)
    .addOption(outputOption())
    .action((name: string, options: OverrideOptions) =>
      withCluster(options, async (access) => {
        const { written, done } = await actionOf(options)(access, name);
        report(options, written, done);
      }),
    );
}

function actionOf({ reason, end, for: forMs }: OverrideOptions) {
  if (end) return restoreWindows;
  if (!reason?.trim()) throw new CliError('an override needs --reason; it is recorded in status and Events');
  return overrideWindows(reason.trim(), forMs);
}

function overrideDuration(text: string): number {
  const ms = durationSchema.safeParse(text).success ? durationMs(text) : 0;
  if (ms > 0 && ms <= MAX_OVERRIDE_MS) return ms;
  throw new InvalidArgumentError('It must be a duration such as 30m or 2h, of at most 168h.');
}
