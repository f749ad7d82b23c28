/** `kubectl pcf doctor`: automated checks of the production checklist. */
import { type Command, InvalidArgumentError } from 'commander';
import type { PcfApi } from '../../operator/api/v1alpha1/pcfapi.js';
import {
  type ClusterAccess,
  type ClusterOptions,
  clusterCommand,
  getPcfApi,
  withCluster,
} from '../cluster.js';
import { readManifests } from '../manifest.js';
import { CliError, outputOption, paint, printJson, table } from '../output.js';
import { clusterChecks } from './cluster-checks.js';
import { dataChecks } from './data-checks.js';
import { gatewayChecks } from './gateway-checks.js';
import { hostChecks } from './host-checks.js';
import { podChecks } from './pod-checks.js';
import { prometheusChecks } from './prometheus-checks.js';
import { runningChecks } from './running-checks.js';
import type { Check, Finding, Outcome, Subject } from './types.js';

type DoctorOptions = ClusterOptions & {
  filename?: string;
  operatorNamespace: string;
  connect: boolean;
  fromPod: boolean;
  prometheus?: string;
  loki?: string;
  output: string;
};

export function doctorCommand(): Command {
  return clusterCommand('doctor')
    .description('Check the requirements of a PcfApi, before or after it is applied.')
    .argument('[name]', 'a PcfApi in the cluster')
    .option('-f, --filename <file>', 'manifest of a PcfApi; - for standard input')
    .option('--operator-namespace <name>', 'namespace of the operator', label, 'pcf-system')
    .option('--connect', 'also connect to the database from this machine', false)
    .option('--from-pod', 'also connect to the servers of the settings from a running pod, by exec', false)
    .option('--prometheus <url>', 'URL of Prometheus; default: that of the analysis in the spec')
    .option('--loki <url>', 'URL of Loki, to check that it receives the logs')
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
Exit code 1 if a check fails. Connects only to the API server, except with --connect, and to a
Prometheus or Loki whose URL is not of the form http://NAME.NAMESPACE:PORT.

Examples:
  $ kubectl pcf doctor -f deploy/samples/production.yaml
  $ kubectl pcf doctor pcf-api -n platform --connect
  $ kubectl pcf doctor pcf-api -n platform --from-pod --prometheus http://prometheus-operated.monitoring:9090`,
    )
    .action(async (name: string | undefined, options: DoctorOptions) => {
      const findings = await withCluster(options, async (access) => {
        const subjects = await subjectsOf(access, name, options);
        return (await Promise.all(subjects.map(runChecks))).flat();
      });
      if (options.output === 'json') printJson(findings);
      else print(findings);
      if (findings.some(({ outcome }) => outcome === 'fail')) process.exitCode = 1;
    });
}

async function subjectsOf(
  access: ClusterAccess,
  name: string | undefined,
  options: DoctorOptions,
): Promise<Subject[]> {
  const { filename, operatorNamespace, connect, fromPod, prometheus, loki } = options;
  if ((name === undefined) === (filename === undefined))
    throw new CliError('specify a PcfApi by name, or a file with -f');
  const subject = (api: PcfApi, applied: boolean): Subject => ({
    client: access.client,
    api,
    applied,
    operatorNamespace,
    ...{ connect, fromPod, prometheus, loki },
  });
  if (name) return [subject(await getPcfApi(access, name), true)];
  const { namespace: requested } = options;
  return readManifests(filename!, { requested, fallback: access.namespace }).map((api) =>
    subject(api, false),
  );
}

async function runChecks(subject: Subject): Promise<Finding[]> {
  const checks: Check[] = [
    ...clusterChecks,
    ...dataChecks,
    ...hostChecks,
    ...gatewayChecks,
    ...runningChecks,
    ...podChecks,
    ...prometheusChecks,
  ];
  return (await Promise.all(checks.map((check) => check(subject)))).flat();
}

const marks: Record<Outcome, string> = {
  ok: paint('green', '✓'),
  warn: paint('yellow', '!'),
  fail: paint('red', '✗'),
  skipped: paint('dim', '-'),
};

function print(findings: Finding[]): void {
  const rows = findings.map(({ check, outcome, message }) => [marks[outcome], check, message]);
  console.log(table(['', 'CHECK', 'MESSAGE'], rows));
  const remedies = findings.filter(({ remedy }) => remedy);
  if (remedies.length > 0) {
    console.log(`\n${paint('bold', 'Remedies')}`);
    for (const { check, outcome, remedy } of remedies) console.log(`${marks[outcome]} ${check}: ${remedy}`);
  }
  const failed = findings.filter(({ outcome }) => outcome === 'fail').length;
  console.log(failed === 0 ? '\nno check failed' : `\n${failed} of ${findings.length} checks failed`);
}

function label(text: string): string {
  if (!/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(text))
    throw new InvalidArgumentError('It must be the name of a namespace.');
  return text;
}
