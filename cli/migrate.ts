/** `kubectl pcf migrate status | plan | approve | lint`: migrations of the database schema. */
import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Command, Option } from 'commander';
import type { KnownMigration } from '../api-server/migrations/engine/known-migrations.js';
import { type MigrationPhase, migrationPhaseSchema } from '../contract/image.js';
import type { PcfApi } from '../operator/api/v1alpha1/pcfapi.js';
import type { MigrationStatus } from '../operator/api/v1alpha1/status/migration.js';
import { REQUEST_ANNOTATIONS } from '../operator/reconciler/strategies.js';
import { PcfApiKind } from '../operator/resources/kinds.js';
import { type ClusterOptions, clusterCommand, FIELD_MANAGER, getPcfApi, withCluster } from './cluster.js';
import { backfillText, holderText } from './migration-text.js';
import { CliError, outputOption, printJson, report, table } from './output.js';

type Options = ClusterOptions & { output: string };

export function migrateCommand(): Command {
  return new Command('migrate')
    .description('Show and approve the migrations of a PcfApi, and lint new ones.')
    .addCommand(showCommand('status', 'Show the state of the migrations and the rollback floor.', statusText))
    .addCommand(showCommand('plan', 'Show pending migrations with their lint findings.', planText))
    .addCommand(approveCommand())
    .addCommand(lintCommand());
}

function showCommand(
  name: string,
  description: string,
  text: (migration: MigrationStatus) => string,
): Command {
  return clusterCommand(name)
    .description(description)
    .argument('<name>', 'the PcfApi')
    .addOption(outputOption())
    .action((api: string, options: Options) =>
      withCluster(options, async (access) => {
        const migration = migrationOf(await getPcfApi(access, api));
        if (options.output === 'json') printJson(migration);
        else console.log(text(migration));
      }),
    );
}

function migrationOf({ metadata, status }: PcfApi): MigrationStatus {
  if (!status?.migration) throw new CliError(`the operator has not reconciled ${metadata.name} yet`);
  return status.migration;
}

function approveCommand(): Command {
  return clusterCommand('approve')
    .description('Approve the pending migrations and print them.')
    .argument('<name>', 'the PcfApi')
    .addOption(outputOption())
    .action((name: string, options: Options) =>
      withCluster(options, async ({ client, namespace }) => {
        const migration = migrationOf(await getPcfApi({ client, namespace }, name));
        if (!migration.approval) {
          const why = migration.waitingFor ? `: contract waits for ${migration.waitingFor}` : '';
          throw new CliError(`no migration of ${name} waits for approval${why}`);
        }
        if (options.output !== 'json') console.log(planText(migration));
        const metadata = { annotations: { [REQUEST_ANNOTATIONS.approve]: migration.approval } };
        const written = await client.patch(
          PcfApiKind,
          namespace,
          name,
          { metadata },
          { fieldManager: FIELD_MANAGER },
        );
        report(options, written, `approved ${migration.approval}`);
      }),
    );
}

function statusText(migration: MigrationStatus): string {
  const { revision, state, phase, job, current, duration, message, waitingFor, progress } = migration;
  const { rollbackFloor: floor, ahead, contractAt, lockHolder, window, irreversible } = migration;
  const lines: [string, string | undefined][] = [
    ['revision', revision],
    ['state', phase ? `${state} (${phase})` : state],
    ['job', job],
    ['newest', current],
    ['duration', duration],
    ['backfill', progress && backfillText(progress)],
    ['locked by', lockHolder && holderText(lockHolder)],
    ['pending', migration.pending?.map(({ name, phase }) => `${name} (${phase})`).join(', ')],
    ['ahead', ahead?.join(', ')],
    ['soak ends', contractAt],
    ['waiting for', waitingFor],
    ['error', message],
    ['undo until', window && `${window.until}; it restores what ${window.migrations.join(', ')} dropped`],
    ['irreversible', irreversible?.map((one) => `${one.migration} (${one.reason})`).join(', ')],
    [
      'rollback to',
      floor &&
        `${floor.revision} (${floor.image}); older revisions need what ${floor.migrations.join(', ')} dropped`,
    ],
  ];
  const known = lines.filter((line): line is [string, string] => line[1] !== undefined);
  return known.map(([title, value]) => `${title.padEnd(13)}${value}`).join('\n');
}

function planText({
  pending = [],
  findings = [],
  revision,
  waitingFor,
  irreversible = [],
}: MigrationStatus): string {
  const rows = pending.map(({ phase, name }) => [phase, name, lintOf(name)]);
  function lintOf(name: string): string {
    const found = findings.filter(({ migration }) => migration === name);
    return found.length === 0 ? 'ok' : found.map(({ rule }) => rule).join(', ');
  }
  const plan =
    rows.length > 0 ? table(['PHASE', 'MIGRATION', 'LINT'], rows) : `${revision}: no pending migrations`;
  const details = findings.map(({ migration, rule, statement }) => `${migration}: ${rule}: ${statement}`);
  const permanent = irreversible.map(({ migration, reason }) => `${migration}: irreversible: ${reason}`);
  return [plan, ...details, ...permanent, ...(waitingFor ? [`contract waits for ${waitingFor}`] : [])].join(
    '\n',
  );
}

function lintCommand(): Command {
  return new Command('lint')
    .description('Lint migrations in files with the rules of the API. Needs no cluster.')
    .requiredOption('-f, --filename <file...>', 'SQL file or migration module; - for SQL on standard input')
    .addOption(
      new Option('--phase <phase>', 'phase of SQL files; modules declare their own')
        .choices(migrationPhaseSchema.options)
        .default('expand'),
    )
    .action(async ({ filename, phase }: { filename: string[]; phase: MigrationPhase }) => {
      const found = [...(await lintTexts(filename, phase)), ...(await lintModules(filename))];
      for (const { file, finding } of found) console.log(`${file}: ${finding}`);
      console.log(`${filename.length} files, ${found.length} findings`);
      if (found.length > 0) process.exitCode = 1;
    });
}

const isModule = (file: string) => /\.(ts|js|mjs)$/.test(file);

interface FoundIn {
  file: string;
  finding: string;
}

/**
 * Lints each SQL file as one migration, with facts about the schema from the files before it.
 * The parser is a megabyte, so it is loaded on demand.
 */
async function lintTexts(files: string[], phase: MigrationPhase): Promise<FoundIn[]> {
  const { describeFinding, lintContext, lintSql } = await import('../api-server/migration-lint/lint.js');
  const found: FoundIn[] = [];
  let facts: ReturnType<typeof lintContext>['facts'] | undefined;
  for (const file of files.filter((one) => !isModule(one))) {
    const context = lintContext(phase, true, { ...(facts && { facts }) });
    const findings = await lintSql(readSql(file), context);
    found.push(...findings.map((one) => ({ file, finding: describeFinding(one) })));
    facts = context.facts;
  }
  return found;
}

/** Lints migration modules together, as an older one provides facts for a newer one. */
async function lintModules(files: string[]): Promise<FoundIn[]> {
  const modules = files.filter(isModule);
  if (modules.length === 0) return [];
  const { describeFinding } = await import('../api-server/migration-lint/lint.js');
  const { loadMigrations, timestampOf } = await import('../api-server/migrations/engine/known-migrations.js');
  const { lintMigrations } = await import('../api-server/migrations/engine/lint-migrations.js');
  const loaded: { file: string; migration: KnownMigration }[] = [];
  for (const file of modules) {
    const migrations = await loadMigrations(pathToFileURL(resolve(file)));
    if (migrations.length === 0) throw new CliError(`${file} exports no migration`);
    loaded.push(...migrations.map((migration) => ({ file, migration })));
  }
  loaded.sort((a, b) => timestampOf(a.migration) - timestampOf(b.migration));
  const linted = await lintMigrations(loaded.map(({ migration }) => migration));
  return linted.flatMap(({ findings }, index) =>
    findings.map((one) => ({ file: loaded[index]?.file ?? '', finding: describeFinding(one) })),
  );
}

function readSql(file: string): string {
  if (file !== '-' && !statSync(file, { throwIfNoEntry: false })?.isFile())
    throw new CliError(`${file} is not a file`);
  return readFileSync(file === '-' ? 0 : file, 'utf8');
}
