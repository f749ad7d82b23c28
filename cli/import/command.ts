/** `kubectl pcf import`: converts an Argo Rollout or a Flagger Canary to a PcfApi. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { stringify } from 'yaml';
import { KUBERNETES_YAML } from '../../operator/api/v1alpha1/kubernetes.js';
import { readDocuments } from '../manifest.js';
import { CliError, printJson, table } from '../output.js';
import { importRollout } from './argo/rollout.js';
import type { Imported, ImportOptions } from './conversion.js';
import { importCanary } from './flagger/canary.js';
import { toObjects } from './objects.js';
import type { InputObject, Note, Outcome } from './source.js';

const ENVIRONMENTS = ['development', 'staging', 'production'];
const DATABASE_KEY = 'database-url';
/** Outcomes that --strict rejects. */
const INCOMPLETE: readonly Outcome[] = ['NotConverted', 'Required'];

interface CommandOptions extends ImportOptions {
  filename: string[];
  output: 'yaml' | 'json';
  strict: boolean;
}

type Importer = (objects: readonly InputObject[], options: ImportOptions) => Imported;

export function importCommand(): Command {
  return new Command('import')
    .description('Convert an Argo Rollout or a Flagger Canary to a PcfApi. Needs no cluster.')
    .addCommand(
      importerCommand(
        'rollout',
        'an Argo Rollout',
        'with its AnalysisTemplates, HorizontalPodAutoscaler, VirtualService or HTTPRoute',
        importRollout,
      ),
    )
    .addCommand(
      importerCommand(
        'canary',
        'a Flagger Canary',
        'with its Deployment, HorizontalPodAutoscaler and MetricTemplates',
        importCanary,
      ),
    )
    .addHelpText(
      'after',
      `
Examples:
  $ kubectl pcf import rollout -f rollout.yaml > pcfapi.yaml
  $ kubectl get canary,deployment,hpa shop -o yaml | kubectl pcf import canary -f -`,
    );
}

function importerCommand(kind: string, what: string, related: string, importer: Importer): Command {
  return new Command(kind)
    .description(
      `Convert ${what}, ${related}, to a PcfApi. Prints the PcfApi, and to standard error what was not converted.`,
    )
    .requiredOption(
      '-f, --filename <file>',
      'file with the objects; - for standard input; can be repeated',
      collect,
    )
    .option('--name <name>', 'name of the PcfApi (default: the name of the object)')
    .option('-n, --namespace <name>', 'namespace of the PcfApi (default: the namespace of the object)')
    .addOption(new Option('--environment <name>', 'environment of the API').choices(ENVIRONMENTS))
    .option(
      '--database-secret <name[:key]>',
      `Secret with the URL of the database (default key: ${DATABASE_KEY})`,
      secret,
    )
    .option('--prometheus <url>', 'URL of Prometheus, for metrics without one')
    .addOption(new Option('-o, --output <format>', 'output format').choices(['yaml', 'json']).default('yaml'))
    .option('--strict', 'exit with 1 if a field was not converted or a required value is missing', false)
    .addHelpText('after', `\n${examples(kind)}`)
    .action((options: CommandOptions) => {
      const imported = importer(readObjects(options.filename), options);
      print(imported, options);
    });
}

function examples(kind: string): string {
  return `Outcomes in the list of fields:
  NotConverted   PcfApi has no such setting
  Required       the input lacks a value that PcfApi requires; a placeholder was set
  Changed        converted, with a difference
  NotNeeded      the operator or the image provides it

Examples:
  $ kubectl pcf import ${kind} -f ${kind}.yaml -f templates.yaml > pcfapi.yaml
  $ kubectl pcf import ${kind} -f ${kind}.yaml --name shop-api --database-secret shop-db:url --strict
  $ kubectl pcf import ${kind} -f ${kind}.yaml | kubectl apply --dry-run=server -f -`;
}

function readObjects(files: readonly string[]): InputObject[] {
  if (files.filter((file) => file === '-').length > 1)
    throw new CliError('standard input can be read once: give -f - once');
  return files.flatMap((file) => toObjects(file, readDocuments(file)));
}

function print({ api, notes }: Imported, { output, strict }: CommandOptions): void {
  if (output === 'json') printJson(api);
  else process.stdout.write(stringify(api, KUBERNETES_YAML));
  if (notes.length > 0) console.error(`\n${notesTable(notes)}`);
  const incomplete = notes.filter(({ outcome }) => INCOMPLETE.includes(outcome)).length;
  if (strict && incomplete > 0)
    throw new CliError(`${incomplete} fields were not converted or are required; see the list above`);
}

/** One row per note. */
export function notesTable(notes: readonly Note[]): string {
  const rows = notes.map(({ outcome, object, path, why, instead }) => [
    outcome,
    path ? `${object} ${path}` : object,
    why,
    instead,
  ]);
  return table(['OUTCOME', 'FIELD', 'WHY', 'INSTEAD'], rows);
}

function collect(file: string, files: string[] | undefined): string[] {
  return [...(files ?? []), file];
}

function secret(text: string): { name: string; key: string } {
  const [name = '', key = DATABASE_KEY, ...rest] = text.split(':');
  if (!name || !key || rest.length > 0)
    throw new InvalidArgumentError('It must be the name of a Secret, or name:key.');
  return { name, key };
}
