/** Settings of the operator process: flags, then environment, then defaults. */
import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import { durationMs, duration as durationSchema } from './api/v1alpha1/kubernetes.js';

export interface OperatorSettings {
  /** Instead of running: exit with 1 while PcfApis exist that need the operator to be deleted. */
  command?: 'check-uninstall';
  /** Namespaces to watch; empty: the whole cluster. */
  namespaces: string[];
  /** Namespace of the leader election Lease. */
  leaseNamespace: string;
  leaderElection: boolean;
  /** Others wait this long after they last saw the Lease change. */
  leaseDurationMs: number;
  /** The leader stops writing this long after it last renewed. */
  renewDeadlineMs: number;
  /** Time between two tries to take or renew the Lease. */
  retryPeriodMs: number;
  /** PcfApis reconciled at the same time. */
  concurrency: number;
  /** How often each PcfApi is looked at though nothing changed; 0: never. */
  resyncMs: number;
  /** Requests a second to the API server, watches and the Lease aside; 0: as many as it takes. */
  kubeApiQps: number;
  kubeApiBurst: number;
  /** Port of /healthz, /readyz and /metrics. */
  port: number;
  host: string;
  /** Port of the dashboard, on 127.0.0.1 alone; 0: none. */
  dashboardPort: number;
  logLevel: string;
}

interface Flags {
  namespace: string[];
  leaseNamespace: string;
  leaderElection: boolean;
  leaseDuration: number;
  renewDeadline: number;
  retryPeriod: number;
  concurrency: number;
  kubeApiQps: number;
  port: number;
  host: string;
  dashboardPort: number;
  logLevel: string;
  resync: number;
  kubeApiBurst?: number;
}

const NO_LEADER_ELECTION = 'PCF_NO_LEADER_ELECTION';

const examples = `
The cluster is the one of KUBECONFIG, or of the pod's service account.
A flag goes before its environment variable.

Examples:
  $ pcf-operator
  $ pcf-operator --namespace platform --namespace payments --log-level debug
  $ pcf-operator --concurrency 16 --kube-api-qps 50 --kube-api-burst 100
  $ KUBECONFIG=.sandbox/kubeconfig pcf-operator --no-leader-election --port 8081`;

/** Parses the command line. Prints help or the error and ends the process when it must, as kubectl does. */
export function readSettings(argv: readonly string[]): OperatorSettings {
  const command = optionsOf(new Command('pcf-operator'))
    .description('Watches PcfApi resources and runs the GraphQL API they describe.')
    .addArgument(
      new Argument(
        '[command]',
        'exit with 1 while PcfApis exist, which need the operator to be deleted',
      ).choices(['check-uninstall']),
    )
    .allowExcessArguments(false)
    .showHelpAfterError('(pcf-operator --help lists the flags)')
    .addHelpText('after', examples)
    .parse([...argv]);
  const { namespace, resync, kubeApiBurst, leaseDuration, renewDeadline, retryPeriod, ...flags } =
    command.opts<Flags>();
  // commander takes a flag's variable for set whatever it holds, "false" too.
  if (command.getOptionValueSource('leaderElection') === 'env')
    flags.leaderElection = !booleanIn(NO_LEADER_ELECTION, command);
  if (!(retryPeriod < renewDeadline && renewDeadline < leaseDuration))
    command.error('error: it must be --retry-period < --renew-deadline < --lease-duration');
  if (kubeApiBurst !== undefined && kubeApiBurst < flags.kubeApiQps)
    command.error('error: --kube-api-burst must not be below --kube-api-qps');
  const [given] = command.processedArgs as [OperatorSettings['command']];
  return {
    ...flags,
    ...(given ? { command: given } : {}),
    namespaces: [...new Set(namespace)].sort(),
    resyncMs: resync,
    leaseDurationMs: leaseDuration,
    renewDeadlineMs: renewDeadline,
    retryPeriodMs: retryPeriod,
    kubeApiBurst: kubeApiBurst ?? 2 * flags.kubeApiQps,
  };
}

function optionsOf(command: Command): Command {
  const option = (flags: string, text: string, variable: string) => new Option(flags, text).env(variable);
  return command
    .addOption(
      option(
        '--namespace <name>',
        'a namespace to watch; give it again for more, or several with commas (default: the whole cluster)',
        'PCF_NAMESPACE',
      )
        .argParser(namespaces)
        .default([], 'the whole cluster'),
    )
    .addOption(
      option('--lease-namespace <name>', 'namespace of the leader election Lease', 'POD_NAMESPACE')
        .argParser(dnsLabel)
        .default('pcf-system'),
    )
    .addOption(
      option(
        '--no-leader-election',
        'run without a Lease; only ever start one such operator',
        NO_LEADER_ELECTION,
      ),
    )
    .addOption(
      option(
        '--lease-duration <duration>',
        'how long a standby waits for a leader that is silent',
        'PCF_LEASE_DURATION',
      )
        .argParser(duration)
        .default(15_000, '15s'),
    )
    .addOption(
      option(
        '--renew-deadline <duration>',
        'when a leader that can not renew stops writing',
        'PCF_RENEW_DEADLINE',
      )
        .argParser(duration)
        .default(10_000, '10s'),
    )
    .addOption(
      option(
        '--retry-period <duration>',
        'time between two tries to take or renew the Lease',
        'PCF_RETRY_PERIOD',
      )
        .argParser(duration)
        .default(2_000, '2s'),
    )
    .addOption(
      option('--concurrency <count>', 'PcfApis reconciled at the same time', 'PCF_CONCURRENCY')
        .argParser(wholeNumber(1, 256))
        .default(8),
    )
    .addOption(
      option(
        '--resync <duration>',
        'how often each PcfApi is looked at though nothing changed, such as 10m; 0: never',
        'PCF_RESYNC',
      )
        .argParser(resync)
        .default(600_000, '10m'),
    )
    .addOption(
      option(
        '--kube-api-qps <count>',
        "requests a second to the API server; 0: no limit but the API server's own fairness",
        'PCF_KUBE_API_QPS',
      )
        .argParser(wholeNumber(0, 10_000))
        .default(0),
    )
    .addOption(
      option(
        '--kube-api-burst <count>',
        'how many of them at once (default: twice --kube-api-qps)',
        'PCF_KUBE_API_BURST',
      ).argParser(wholeNumber(1, 20_000)),
    )
    .addOption(
      option('--port <port>', 'port of /healthz, /readyz and /metrics; 0: any', 'PCF_PORT')
        .argParser(wholeNumber(0, 65_535))
        .default(8081),
    )
    .addOption(option('--host <address>', 'address of the same', 'PCF_HOST').default('0.0.0.0'))
    .addOption(
      option(
        '--dashboard-port <port>',
        'port of the dashboard, on 127.0.0.1 alone: reach it by kubectl port-forward; 0: none',
        'PCF_DASHBOARD_PORT',
      )
        .argParser(wholeNumber(0, 65_535))
        .default(0),
    )
    .addOption(
      option('--log-level <level>', 'how much to log', 'PCF_LOG_LEVEL')
        .choices(['trace', 'debug', 'info', 'warn', 'error'])
        .default('info'),
    );
}

function booleanIn(variable: string, command: Command): boolean {
  const text = process.env[variable];
  if (text === 'true' || text === 'false') return text === 'true';
  return command.error(`error: ${variable} must be true or false, not "${text}"`);
}

function namespaces(text: string, before: string[]): string[] {
  return [...before, ...text.split(',').map((name) => dnsLabel(name.trim()))];
}

function dnsLabel(text: string): string {
  if (!/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(text))
    throw new InvalidArgumentError(
      'It must be the name of a namespace: lower case letters, digits and dashes.',
    );
  return text;
}

function duration(text: string): number {
  const isOne = durationSchema.safeParse(text).success && durationMs(text) > 0;
  if (!isOne) throw new InvalidArgumentError('It must be a duration such as 30s, 10m or 1h.');
  return durationMs(text);
}

function resync(text: string): number {
  if (/^0[a-z]*$/.test(text)) return 0;
  if (duration(text) < 1_000) throw new InvalidArgumentError('It must be at least 1s, or 0 for never.');
  return duration(text);
}

function wholeNumber(least: number, most: number) {
  return (text: string): number => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < least || value > most)
      throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`);
    return value;
  };
}
