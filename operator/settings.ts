/** Settings of the operator process: flags, then environment, then defaults. */
import { Argument, Command, Option } from 'commander';
import {
  approvalUrl,
  dnsLabel,
  duration,
  headerName,
  httpUrl,
  namespaces,
  ratio,
  resync,
  wholeNumber,
} from './setting-values.js';

export interface OperatorSettings {
  /** Exits with code 1 while PcfApis exist whose deletion needs the operator. */
  command?: 'check-uninstall';
  /** Namespaces to watch; empty: the whole cluster. */
  namespaces: string[];
  /** Namespace of the leader election Lease. */
  leaseNamespace: string;
  leaderElection: boolean;
  /** Whether to watch PcfWindows, namespaces, GatewayClasses, and the Gateways of all namespaces. */
  clusterWindows: boolean;
  /** Time after the last observed change of the Lease before a standby acquires it. */
  leaseDurationMs: number;
  /** Time after the last renewal before the leader stops writing. */
  renewDeadlineMs: number;
  /** Time between two attempts to acquire or renew the Lease. */
  retryPeriodMs: number;
  /** Number of shards of the PcfApis. 1: one replica reconciles all of them. */
  shards: number;
  /** PcfApis reconciled at the same time. */
  concurrency: number;
  /** Interval at which each PcfApi is reconciled without a change; 0: never. */
  resyncMs: number;
  /** Requests per second to the API server, except watches and the Lease; 0: no limit. */
  kubeApiQps: number;
  kubeApiBurst: number;
  /** Port of /healthz, /readyz and /metrics. */
  port: number;
  host: string;
  /** Port of the dashboard on 127.0.0.1; 0: disabled. */
  dashboardPort: number;
  /** Unset: approval links are disabled. */
  approvals?: ApprovalSettings;
  logLevel: string;
  /** Unset: no spans are exported. */
  tracing?: { url: string; sampleRatio: number };
}

export interface ApprovalSettings {
  /** URL at which users reach the page of approval links, without a slash at its end. */
  publicUrl: string;
  /** Port of that page. */
  port: number;
  /** Secret with the keys, in the namespace of the Lease. */
  keySecret: string;
  /** Request header in which an authenticating proxy names the user. */
  userHeader?: string;
}

interface Flags {
  namespace: string[];
  leaseNamespace: string;
  leaderElection: boolean;
  clusterWindows: boolean;
  leaseDuration: number;
  renewDeadline: number;
  retryPeriod: number;
  shards: number;
  concurrency: number;
  kubeApiQps: number;
  port: number;
  host: string;
  dashboardPort: number;
  approvalUrl: string;
  approvalPort: number;
  approvalKeySecret: string;
  approvalUserHeader: string;
  logLevel: string;
  resync: number;
  kubeApiBurst?: number;
  otlpEndpoint: string;
  traceSampleRatio: number;
}

/** Each replica reads the Leases of all shards in each retry period. */
const MAX_SHARDS = 64;
const NO_LEADER_ELECTION = 'PCF_NO_LEADER_ELECTION';
const CLUSTER_WINDOWS = 'PCF_CLUSTER_WINDOWS';

const examples = `
The cluster is selected by KUBECONFIG, or by the ServiceAccount of the pod.
A flag takes precedence over its environment variable.

Examples:
  $ pcf-operator
  $ pcf-operator --namespace platform --namespace payments --log-level debug
  $ pcf-operator --concurrency 16 --kube-api-qps 50 --kube-api-burst 100
  $ KUBECONFIG=.sandbox/kubeconfig pcf-operator --no-leader-election --port 8081`;

/** Parses the command line. Prints help or an error and exits if required. */
export function readSettings(argv: readonly string[]): OperatorSettings {
  const command = optionsOf(new Command('pcf-operator'))
    .description('Watches PcfApi resources and runs the GraphQL API that they describe.')
    .addArgument(
      new Argument(
        '[command]',
        'exit with code 1 while PcfApis exist whose deletion needs the operator',
      ).choices(['check-uninstall']),
    )
    .allowExcessArguments(false)
    .showHelpAfterError('(pcf-operator --help lists the flags)')
    .addHelpText('after', examples)
    .parse([...argv]);
  const { namespace, resync, kubeApiBurst, leaseDuration, renewDeadline, retryPeriod, ...others } =
    command.opts<Flags>();
  const { otlpEndpoint, traceSampleRatio, ...withApprovals } = others;
  const { approvalUrl, approvalPort, approvalKeySecret, approvalUserHeader, ...flags } = withApprovals;
  // commander ignores the value of the variable of a boolean flag, even "false".
  if (command.getOptionValueSource('leaderElection') === 'env')
    flags.leaderElection = !booleanIn(NO_LEADER_ELECTION, command);
  if (command.getOptionValueSource('clusterWindows') === 'env')
    flags.clusterWindows = booleanIn(CLUSTER_WINDOWS, command);
  if (!(retryPeriod < renewDeadline && renewDeadline < leaseDuration))
    command.error('error: required: --retry-period < --renew-deadline < --lease-duration');
  if (flags.shards > 1 && !flags.leaderElection)
    command.error('error: --shards needs leader election; remove --no-leader-election');
  if (kubeApiBurst !== undefined && kubeApiBurst < flags.kubeApiQps)
    command.error('error: --kube-api-burst must not be below --kube-api-qps');
  const [given] = command.processedArgs as [OperatorSettings['command']];
  return {
    ...flags,
    ...(given ? { command: given } : {}),
    namespaces: [...new Set(namespace)].sort(),
    clusterWindows: flags.clusterWindows || namespace.length === 0,
    resyncMs: resync,
    leaseDurationMs: leaseDuration,
    renewDeadlineMs: renewDeadline,
    retryPeriodMs: retryPeriod,
    kubeApiBurst: kubeApiBurst ?? 2 * flags.kubeApiQps,
    ...(approvalUrl
      ? {
          approvals: {
            ...{ publicUrl: approvalUrl, port: approvalPort, keySecret: approvalKeySecret },
            ...(approvalUserHeader ? { userHeader: approvalUserHeader } : {}),
          },
        }
      : {}),
    ...(otlpEndpoint ? { tracing: { url: tracesUrl(otlpEndpoint), sampleRatio: traceSampleRatio } } : {}),
  };
}

function optionsOf(command: Command): Command {
  const option = (flags: string, text: string, variable: string) => new Option(flags, text).env(variable);
  return command
    .addOption(
      option(
        '--namespace <name>',
        'namespace to watch; repeatable, or a comma-separated list (default: all namespaces)',
        'PCF_NAMESPACE',
      )
        .argParser(namespaces)
        .default([], 'all namespaces'),
    )
    .addOption(
      option('--lease-namespace <name>', 'namespace of the leader election Lease', 'POD_NAMESPACE')
        .argParser(dnsLabel)
        .default('pcf-system'),
    )
    .addOption(
      option(
        '--no-leader-election',
        'run without leader election; never run more than one such operator',
        NO_LEADER_ELECTION,
      ),
    )
    .addOption(
      option(
        '--cluster-windows',
        'with --namespace: also read objects outside these namespaces: PcfWindows, labels of namespaces, Gateways and their classes',
        CLUSTER_WINDOWS,
      ).default(false),
    )
    .addOption(
      option(
        '--lease-duration <duration>',
        'time a standby waits before it acquires a Lease that is not renewed',
        'PCF_LEASE_DURATION',
      )
        .argParser(duration)
        .default(15_000, '15s'),
    )
    .addOption(
      option(
        '--renew-deadline <duration>',
        'time after which a leader that cannot renew its Lease stops writing',
        'PCF_RENEW_DEADLINE',
      )
        .argParser(duration)
        .default(10_000, '10s'),
    )
    .addOption(
      option(
        '--retry-period <duration>',
        'time between two attempts to acquire or renew the Lease',
        'PCF_RETRY_PERIOD',
      )
        .argParser(duration)
        .default(2_000, '2s'),
    )
    .addOption(
      option(
        '--shards <count>',
        'number of shards of the PcfApis, which the replicas share; 1: one replica reconciles, the others are standbys',
        'PCF_SHARDS',
      )
        .argParser(wholeNumber(1, MAX_SHARDS))
        .default(1),
    )
    .addOption(
      option('--concurrency <count>', 'PcfApis reconciled at the same time', 'PCF_CONCURRENCY')
        .argParser(wholeNumber(1, 256))
        .default(8),
    )
    .addOption(
      option(
        '--resync <duration>',
        'interval at which each PcfApi is reconciled without a change, such as 10m; 0: never',
        'PCF_RESYNC',
      )
        .argParser(resync)
        .default(600_000, '10m'),
    )
    .addOption(
      option(
        '--kube-api-qps <count>',
        'maximum requests per second to the API server; 0: no client-side limit',
        'PCF_KUBE_API_QPS',
      )
        .argParser(wholeNumber(0, 10_000))
        .default(0),
    )
    .addOption(
      option(
        '--kube-api-burst <count>',
        'maximum burst of requests (default: twice --kube-api-qps)',
        'PCF_KUBE_API_BURST',
      ).argParser(wholeNumber(1, 20_000)),
    )
    .addOption(
      option('--port <port>', 'port of /healthz, /readyz and /metrics; 0: any free port', 'PCF_PORT')
        .argParser(wholeNumber(0, 65_535))
        .default(8081),
    )
    .addOption(option('--host <address>', 'listen address of that port', 'PCF_HOST').default('0.0.0.0'))
    .addOption(
      option(
        '--dashboard-port <port>',
        'port of the dashboard on 127.0.0.1, for kubectl port-forward; 0: disabled',
        'PCF_DASHBOARD_PORT',
      )
        .argParser(wholeNumber(0, 65_535))
        .default(0),
    )
    .addOption(
      option(
        '--approval-url <url>',
        'public https URL of the page of approval links, such as https://approvals.example.com (default: no links)',
        'PCF_APPROVAL_URL',
      )
        .argParser(approvalUrl)
        .default('', 'none'),
    )
    .addOption(
      option(
        '--approval-port <port>',
        'port of the page of approval links, behind a proxy that terminates TLS',
        'PCF_APPROVAL_PORT',
      )
        .argParser(wholeNumber(0, 65_535))
        .default(8083),
    )
    .addOption(
      option(
        '--approval-key-secret <name>',
        'Secret with the keys of approval links, in the namespace of the Lease; created if it does not exist',
        'PCF_APPROVAL_KEY_SECRET',
      ).default('pcf-operator-approval-keys'),
    )
    .addOption(
      option(
        '--approval-user-header <name>',
        'request header in which an authenticating proxy names the user, such as X-Forwarded-Email (default: none is trusted)',
        'PCF_APPROVAL_USER_HEADER',
      )
        .argParser(headerName)
        .default('', 'none'),
    )
    .addOption(
      option(
        '--otlp-endpoint <url>',
        'OTLP/HTTP collector for traces of reconciles, such as http://collector:4318 (default: no traces)',
        'OTEL_EXPORTER_OTLP_ENDPOINT',
      )
        .argParser(httpUrl)
        .default('', 'none'),
    )
    .addOption(
      option('--trace-sample-ratio <ratio>', 'share of reconciles that are traced', 'OTEL_TRACES_SAMPLER_ARG')
        .argParser(ratio)
        .default(1),
    )
    .addOption(
      option('--log-level <level>', 'log level', 'PCF_LOG_LEVEL')
        .choices(['trace', 'debug', 'info', 'warn', 'error'])
        .default('info'),
    );
}

function booleanIn(variable: string, command: Command): boolean {
  const text = process.env[variable];
  if (text === 'true' || text === 'false') return text === 'true';
  return command.error(`error: ${variable} must be true or false, not "${text}"`);
}

function tracesUrl(endpoint: string): string {
  return `${endpoint.replace(/\/$/, '')}/v1/traces`;
}
