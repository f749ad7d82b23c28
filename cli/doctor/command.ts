/** `kubectl pcf doctor`: the deployment guide's checklists, as checks. */
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
import { hostChecks } from './host-checks.js';
import { runningChecks } from './running-checks.js';
import type { Check, Finding, Outcome, Patient } from './types.js';

type DoctorOptions = ClusterOptions & {
  filename?: string;
  operatorNamespace: string;
  connect: boolean;
  output: string;
};

export function doctorCommand(): Command {
  return clusterCommand('doctor')
    .description('Check that a PcfApi has what it needs, before and after it is applied.')
    .argument('[name]', 'a PcfApi in the cluster')
    .option('-f, --filename <file>', 'a PcfApi that is yet to be applied; - for standard input')
    .option('--operator-namespace <name>', 'where the operator runs', label, 'pcf-system')
    .option('--connect', 'also open a connection to the database, from here', false)
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
Exits with 1 when a check fails. Talks to the API server only, unless --connect is given.

Examples:
  $ kubectl pcf doctor -f deploy/samples/production.yaml
  $ kubectl pcf doctor pcf-api -n platform --connect`,
    )
    .action(async (name: string | undefined, options: DoctorOptions) => {
      const findings = await withCluster(options, async (access) => {
        const patients = await admit(access, name, options);
        return (await Promise.all(patients.map(examine))).flat();
      });
      if (options.output === 'json') printJson(findings);
      else print(findings);
      if (findings.some(({ outcome }) => outcome === 'fail')) process.exitCode = 1;
    });
}

async function admit(
  access: ClusterAccess,
  name: string | undefined,
  options: DoctorOptions,
): Promise<Patient[]> {
  const { filename, operatorNamespace, connect } = options;
  if ((name === undefined) === (filename === undefined))
    throw new CliError('say which PcfApi: its name, or a file with -f');
  const patient = (api: PcfApi, applied: boolean): Patient => ({
    client: access.client,
    api,
    applied,
    operatorNamespace,
    connect,
  });
  if (name) return [patient(await getPcfApi(access, name), true)];
  const { namespace: asked } = options;
  return readManifests(filename!, { asked, otherwise: access.namespace }).map((api) => patient(api, false));
}

async function examine(patient: Patient): Promise<Finding[]> {
  const checks: Check[] = [...clusterChecks, ...dataChecks, ...hostChecks, ...runningChecks];
  return (await Promise.all(checks.map((check) => check(patient)))).flat();
}

const marks: Record<Outcome, string> = {
  ok: paint('green', '✓'),
  warn: paint('yellow', '!'),
  fail: paint('red', '✗'),
  skipped: paint('dim', '-'),
};

function print(findings: Finding[]): void {
  const rows = findings.map(({ check, outcome, message }) => [marks[outcome], check, message]);
  console.log(table(['', 'CHECK', 'WHAT'], rows));
  const remedies = findings.filter(({ remedy }) => remedy);
  if (remedies.length > 0) {
    console.log(`\n${paint('bold', 'What to do')}`);
    for (const { check, outcome, remedy } of remedies) console.log(`${marks[outcome]} ${check}: ${remedy}`);
  }
  const failed = findings.filter(({ outcome }) => outcome === 'fail').length;
  console.log(
    failed === 0 ? '\nnothing stands in the way' : `\n${failed} of ${findings.length} checks failed`,
  );
}

function label(text: string): string {
  if (!/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(text))
    throw new InvalidArgumentError('It must be the name of a namespace.');
  return text;
}
