/** Settings of the operator process: flags, then environment, then defaults. */
import { Command, InvalidArgumentError, Option } from 'commander';

export interface OperatorSettings {
  /** The one namespace to watch; undefined: the whole cluster. */
  namespace?: string;
  /** Namespace of the leader election Lease. */
  leaseNamespace: string;
  leaderElection: boolean;
  workers: number;
  /** Port of /healthz, /readyz and /metrics. */
  port: number;
  host: string;
  logLevel: string;
}

/** Parses the command line. Prints help or the error and ends the process when it must, as kubectl does. */
export function readSettings(argv: readonly string[]): OperatorSettings {
  const option = (flags: string, text: string, variable: string) => new Option(flags, text).env(variable);
  const command = new Command('pcf-operator')
    .description('Watches PcfApi resources and runs the GraphQL API they describe.')
    .addOption(
      option('--namespace <name>', 'watch this namespace only (default: the whole cluster)', 'PCF_NAMESPACE'),
    )
    .addOption(
      option('--lease-namespace <name>', 'namespace of the leader election Lease', 'POD_NAMESPACE').default(
        'pcf-system',
      ),
    )
    .addOption(
      option(
        '--no-leader-election',
        'run without a Lease; only ever start one such operator',
        'PCF_NO_LEADER_ELECTION',
      ),
    )
    .addOption(
      option('--workers <count>', 'PcfApis reconciled at the same time', 'PCF_WORKERS')
        .argParser(positive)
        .default(8),
    )
    .addOption(
      option('--port <port>', 'port of /healthz, /readyz and /metrics', 'PCF_PORT')
        .argParser(port)
        .default(8081),
    )
    .addOption(option('--host <address>', 'address of the same', 'PCF_HOST').default('0.0.0.0'))
    .addOption(
      option('--log-level <level>', 'how much to log', 'PCF_LOG_LEVEL')
        .choices(['trace', 'debug', 'info', 'warn', 'error'])
        .default('info'),
    )
    .addHelpText(
      'after',
      `
The cluster is the one of KUBECONFIG, or of the pod's service account.

Examples:
  $ pcf-operator
  $ pcf-operator --namespace platform --log-level debug
  $ KUBECONFIG=.sandbox/kubeconfig pcf-operator --no-leader-election --port 8081`,
    );
  return command.parse([...argv]).opts<OperatorSettings>();
}

function positive(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new InvalidArgumentError('It must be a whole number of at least 1.');
  return value;
}

function port(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > 65_535)
    throw new InvalidArgumentError('It must be a port, 0 to 65535.');
  return value;
}
