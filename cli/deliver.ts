/** `kubectl pcf promote | abort | retry | undo | history`: deliveries. Each request names the delivery it means. */
import type { Command } from 'commander';
import type { PcfApi } from '../operator/api/v1alpha1/pcfapi.js';
import { deliveryId } from '../operator/delivery/plan.js';
import { belowFloor } from '../operator/delivery/rollback-floor.js';
import { REQUEST_ANNOTATIONS } from '../operator/reconciler/settings.js';
import { ControllerRevisionKind, PcfApiKind } from '../operator/resources/kinds.js';
import { LABELS, MANAGED_SELECTOR } from '../operator/resources/metadata.js';
import { REVISION_FIELDS, type Revision, revisionOf } from '../operator/resources/revision.js';
import {
  type ClusterAccess,
  type ClusterOptions,
  clusterCommand,
  FIELD_MANAGER,
  getPcfApi,
  withCluster,
} from './cluster.js';
import { age, CliError, outputOption, printJson, report, table } from './output.js';

type Options = ClusterOptions & { output: string };

export function promoteCommand(): Command {
  return clusterCommand('promote')
    .description('Let a delivery go on past the pause it stands at.')
    .argument('<name>', 'the PcfApi')
    .option('--full', 'skip all steps that are left', false)
    .addOption(outputOption())
    .action((name: string, options: Options & { full: boolean }) =>
      request(name, options, 'promote', (api) => {
        const id = underWay(api);
        const { step = 0 } = api.status?.delivery ?? {};
        return { value: options.full ? `${id}/full` : `${id}/${step}`, done: 'goes on' };
      }),
    );
}

export function abortCommand(): Command {
  return clusterCommand('abort')
    .description('Give a delivery up: the stable revision gets the traffic back at once.')
    .argument('<name>', 'the PcfApi')
    .addOption(outputOption())
    .action((name: string, options: Options) =>
      request(name, options, 'abort', (api) => ({ value: underWay(api), done: 'aborted' })),
    );
}

export function retryCommand(): Command {
  return clusterCommand('retry')
    .description('Try a revision again that was given up.')
    .argument('<name>', 'the PcfApi')
    .addOption(outputOption())
    .action((name: string, options: Options) =>
      request(name, options, 'retry', ({ status, metadata }) => {
        const failed = status?.failed;
        if (!failed) throw new CliError(`${metadata.name} has no revision that was given up`);
        return { value: `${failed.revision}@${failed.at}`, done: `tries ${failed.revision} again` };
      }),
    );
}

async function request(
  name: string,
  options: Options,
  what: 'promote' | 'abort' | 'retry',
  phrase: (api: PcfApi) => { value: string; done: string },
): Promise<void> {
  await withCluster(options, async ({ client, namespace }) => {
    const { value, done } = phrase(await getPcfApi({ client, namespace }, name));
    const metadata = { annotations: { [REQUEST_ANNOTATIONS[what]]: value } };
    const written = await client.patch(
      PcfApiKind,
      namespace,
      name,
      { metadata },
      { fieldManager: FIELD_MANAGER },
    );
    report(options, written, done);
  });
}

function underWay({ metadata, status }: PcfApi): string {
  const id = deliveryId(status?.delivery ?? {});
  if (!id) throw new CliError(`${metadata.name} has no delivery under way`);
  return id;
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
    .action((name: string, options: Options & { to?: string }) =>
      withCluster(options, async (access) => {
        const api = await getPcfApi(access, name);
        const recorded = await recordedRevisions(access, name);
        const to = choose(api, recorded, options.to);
        refuseBelowFloor(api, recorded, to);
        const { client, namespace } = access;
        const fieldManager = FIELD_MANAGER;
        const written = await client.patch(
          PcfApiKind,
          namespace,
          name,
          { spec: specOf(to) },
          { fieldManager },
        );
        report(options, written, `goes back to revision ${to.number}, ${to.image}`);
      }),
    );
}

async function recordedRevisions({ client, namespace }: ClusterAccess, name: string): Promise<Revision[]> {
  const labelSelector = `${MANAGED_SELECTOR},${LABELS.instance}=${name}`;
  const { items } = await client.list(ControllerRevisionKind, { namespace, labelSelector });
  return items.map(revisionOf).sort((a, b) => b.number - a.number);
}

function choose({ metadata, status }: PcfApi, revisions: Revision[], to: string | undefined): Revision {
  const { stable, update, previous } = status?.delivery ?? {};
  // In the middle of a delivery the way back leads to the stable revision.
  const wanted = to ?? (update ? stable : previous);
  if (!wanted) throw new CliError(`${metadata.name} has nothing to go back to`);
  const found = revisions.find(({ name, number }) => name === wanted || String(number) === wanted);
  const known = revisions.map(({ number, name }) => `${number} (${name})`).join(', ');
  if (!found) throw new CliError(`there is no revision ${wanted} on record; there is ${known || 'none'}`);
  if (!found.inputs)
    throw new CliError(`revision ${wanted} was recorded by an older operator; set its image by hand`);
  return found;
}

/** The operator would refuse it too; here it is said before anything is written. */
function refuseBelowFloor({ status }: PcfApi, revisions: Revision[], to: Revision): void {
  const refused = belowFloor(revisions, status?.delivery ?? {}, to.name);
  if (refused) throw new CliError(`not undone: ${refused}`);
}

/** What the revision was made of; a field that it did not have is taken out. */
function specOf({ inputs }: Revision): Record<string, unknown> {
  return Object.fromEntries(
    REVISION_FIELDS.map((field) => [field, (inputs as Record<string, unknown>)[field] ?? null]),
  );
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
