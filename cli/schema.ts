/** `kubectl pcf schema diff | approve`: breaking changes of the GraphQL schema that clients use. */
import { Command } from 'commander';
import type { PcfApi } from '../operator/api/v1alpha1/pcfapi.js';
import type { SchemaCheckStatus } from '../operator/api/v1alpha1/status/schema-check.js';
import { REQUEST_ANNOTATIONS } from '../operator/reconciler/strategies.js';
import { PcfApiKind } from '../operator/resources/kinds.js';
import type { ResourceType } from '../operator/runtime/kube-types.js';
import {
  type ClusterAccess,
  type ClusterOptions,
  clusterCommand,
  FIELD_MANAGER,
  getPcfApi,
  withCluster,
} from './cluster.js';
import { CliError, outputOption, printJson, report, table } from './output.js';

type Options = ClusterOptions & { output: string };

/** Annotation with the approver and the reason, for people; the operator does not read it. */
const NOTE_ANNOTATION = `${REQUEST_ANNOTATIONS.approveSchema}-note`;

/** Its answer has the user name of the caller. Every authenticated user may create it. */
const SelfSubjectReviewKind: ResourceType = {
  group: 'authentication.k8s.io',
  version: 'v1',
  kind: 'SelfSubjectReview',
  plural: 'selfsubjectreviews',
  namespaced: false,
};

export function schemaCommand(): Command {
  return new Command('schema')
    .description('Show and approve breaking changes of the GraphQL schema that clients use.')
    .addCommand(diffCommand())
    .addCommand(approveCommand());
}

function diffCommand(): Command {
  return clusterCommand('diff')
    .description('Show the breaking changes of the new revision that clients use.')
    .argument('<name>', 'the PcfApi')
    .addOption(outputOption())
    .action((name: string, options: Options) =>
      withCluster(options, async (access) => {
        const check = (await getPcfApi(access, name)).status?.schemaCheck;
        if (options.output === 'json') printJson(check ?? { changes: [] });
        else console.log(check ? diffText(check) : `${name}: no breaking change is in use`);
      }),
    );
}

function approveCommand(): Command {
  return clusterCommand('approve')
    .description('Approve the breaking changes of this image and print them.')
    .argument('<name>', 'the PcfApi')
    .requiredOption('--reason <text>', 'why the clients may break; recorded in an annotation')
    .addOption(outputOption())
    .action((name: string, options: Options & { reason: string }) =>
      withCluster(options, async (access) => {
        const check = checkOf(await getPcfApi(access, name));
        if (options.output !== 'json') console.log(diffText(check));
        const annotations = {
          [REQUEST_ANNOTATIONS.approveSchema]: check.approval,
          [NOTE_ANNOTATION]: await note(access, options.reason),
        };
        const written = await access.client.patch(
          PcfApiKind,
          access.namespace,
          name,
          { metadata: { annotations } },
          { fieldManager: FIELD_MANAGER },
        );
        report(options, written, `approved the schema of ${check.approval}`);
      }),
    );
}

function checkOf({ metadata, status }: PcfApi): SchemaCheckStatus {
  if (!status?.schemaCheck)
    throw new CliError(`no change of the schema of ${metadata.name} waits for approval`);
  return status.schemaCheck;
}

async function note({ client }: ClusterAccess, reason: string): Promise<string> {
  const review = {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'SelfSubjectReview',
    metadata: { name: '' },
  };
  const { status } = (await client.create(SelfSubjectReviewKind, review)) as {
    status?: { userInfo?: { username?: string } };
  };
  return JSON.stringify({ by: status?.userInfo?.username, at: new Date().toISOString(), reason });
}

function diffText({ revision, blocked, changes, moreChanges = 0 }: SchemaCheckStatus): string {
  const rows = changes.flatMap(({ change, clients, moreClients = 0 }) => [
    ...clients.map(({ name, application = '-', lastUsedAt }, index) => [
      index === 0 ? change : '',
      name,
      application,
      lastUsedAt,
    ]),
    ...(moreClients > 0 ? [['', `and ${moreClients} more`, '', '']] : []),
  ]);
  const effect = blocked ? 'its weight stays at 0' : 'reported only';
  return [
    `${revision}: ${effect}`,
    table(['CHANGE', 'CLIENT', 'APPLICATION', 'LAST USED'], rows),
    ...(moreChanges > 0 ? [`and ${moreChanges} more changes`] : []),
  ].join('\n');
}
