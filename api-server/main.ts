#!/usr/bin/env node
/** Entry point of the API image: one command per role. */
import { enableCompileCache } from 'node:module';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { asciiUpperCase } from '../contract/ascii.js';
import { EXIT } from '../contract/image.js';
import { ConfigError } from './config/config-error.js';
import { version } from './config/version.js';
import { writeTerminationMessage } from './observability/crash-report.js';
import { redactUrls } from './observability/logging/redact.js';
import type { KeyOptions, UserOptions } from './roles/identities.js';
import type { MigrateOptions } from './roles/migrate.js';
import type { SchemaCheckFlags } from './roles/schema-check.js';

const EXAMPLES = `
Examples:
  $ PCF_API__DATABASE__URL=postgresql://user:password@localhost/pcf pcf-api migrate up
  $ PCF_API__DATABASE__URL=postgresql://user:password@localhost/pcf pcf-api serve
  $ pcf-api migrate status --json
  $ pcf-api user create --email ada@example.com --role admin --password-stdin < password
  $ pcf-api describe --json

Settings: base.toml, <PCF_API__ENVIRONMENT>.toml, *.toml in PCF_CONFIG_DIR, PCF_API__SECTION__KEY.

Exit codes: 0 success; 1 failure; 64 invalid arguments; 75 temporary failure, retry later (for
example the database is unavailable); 78 rejected: settings, lint or the migration history.`;

const MANAGE = {
  baseline:
    'record this migration and all earlier ones as applied, in a database without a migration history',
  cancel: 'cancel a backfill after its current batch',
  resume: 'let the next `up` continue a cancelled backfill',
};

/** Roles are imported on demand, so that a role does not load the dependencies of others. */
function program(finish: (code: number) => void): Command {
  const command = new Command('pcf-api')
    .description('GraphQL API of the Platform Control Framework.')
    .version(version())
    .addHelpText('after', EXAMPLES)
    .exitOverride();
  command
    .command('serve')
    .description('serve GraphQL, health checks and metrics until SIGTERM')
    .action(async () => finish(await (await import('./roles/serve.js')).serve()));
  command
    .command('worker')
    .description('run jobs (webhooks, retention, annotations) until SIGTERM')
    .action(async () => finish(await (await import('./roles/worker.js')).worker()));
  command
    .command('auth')
    .description('serve the login (passwords, refresh tokens) until SIGTERM')
    .action(async () => finish(await (await import('./roles/auth.js')).auth()));
  addJobCommands(command, finish);
  addIdentityCommands(command, finish);

  const migrate = command
    .command('migrate')
    .description('migrate the database schema to the version of this image');
  const actions = {
    up: 'apply pending migrations: expand, then backfill; contract only with --phase contract',
    plan: 'print what `up` would do, or why it would be rejected; changes nothing',
    status: 'print applied and pending migrations',
  };
  for (const action of ['up', 'plan', 'status'] as const) {
    migrate
      .command(action)
      .description(actions[action])
      .option('--json', 'print the report as JSON')
      .option('--detailed-exitcode', 'exit with 3 when there is nothing to do')
      .addOption(
        new Option('--phase <phase...>', 'run only these phases').choices(['expand', 'backfill', 'contract']),
      )
      .action(async (options: MigrateOptions) =>
        finish(await (await import('./roles/migrate.js')).migrate(action, options)),
      );
  }
  migrate
    .command('restore [migration...]')
    .description(
      'restore what contract migrations have hidden, and everything hidden after it; without names, everything that is hidden',
    )
    .option('--json', 'print the report as JSON')
    .option('--detailed-exitcode', 'exit with 3 when there is nothing to do')
    .action(async (names: string[], options: MigrateOptions) =>
      finish(await (await import('./roles/migrate.js')).migrate('restore', { ...options, names })),
    );
  migrate
    .command('purge')
    .description('drop what contract migrations have hidden, after the end of migrations.contract_window')
    .option('--now', 'do not wait for the end of the window')
    .option('--json', 'print the report as JSON')
    .option('--detailed-exitcode', 'exit with 3 when there is nothing to do')
    .action(async (options: MigrateOptions) =>
      finish(await (await import('./roles/migrate.js')).migrate('purge', options)),
    );
  migrate
    .command('lint')
    .description('lint all migrations of this image; needs no database')
    .option('--json', 'print the findings as JSON')
    .action(async (options: { json?: boolean }) =>
      finish(await (await import('./roles/migrate-lint.js')).migrateLint(options)),
    );
  migrate
    .command('verify')
    .description(
      'compare the live schema with the applied migrations and the entities; exit with 1 if they differ',
    )
    .option('--json', 'print the differences as JSON')
    .action(async (options: { json?: boolean }) =>
      finish(await (await import('./roles/migrate-verify.js')).migrateVerify(options)),
    );
  for (const action of ['baseline', 'cancel', 'resume'] as const) {
    migrate
      .command(`${action} <name>`)
      .description(MANAGE[action])
      .action(async (name: string) =>
        finish(await (await import('./roles/migrate-manage.js')).migrateManage(action, name)),
      );
  }
  command
    .command('schema')
    .description('the GraphQL schema of this image')
    .command('check')
    .description(
      'compare the GraphQL schema of this image with the one that is served; exit with 1 if clients use what it breaks',
    )
    .option('--json', 'print the result as JSON')
    .option('--window-days <days>', 'how long a recorded use counts, in days', wholeNumber, 30)
    .option('--ignore-client <name...>', 'clients or applications whose use does not count')
    .option('--schema <file>', 'check this file in SDL instead of the schema of this image')
    .action(async (options: SchemaCheckFlags) =>
      finish(await (await import('./roles/schema-check.js')).schemaCheck(options)),
    );
  command
    .command('healthcheck')
    .description('check the liveness of the API on this host')
    .action(async () => finish(await (await import('./roles/healthcheck.js')).healthcheck()));
  command
    .command('connections')
    .description(
      'connect to the database, Redis and the other endpoints of the settings; exit with 75 if one is unreachable',
    )
    .option('--json', 'print the result as JSON')
    .action(async (options: { json?: boolean }) =>
      finish(await (await import('./roles/connections.js')).connections(options)),
    );
  command
    .command('describe')
    .description('print the version, migrations and settings of this image')
    .option('--json', 'print JSON, with the JSON Schema of the settings and the GraphQL schema')
    .action(async (options: { json?: boolean }) =>
      finish(await (await import('./roles/describe.js')).describe(options)),
    );
  return command;
}

/** Roles and scopes are literals here: importing their definitions would load GraphQL. */
function addIdentityCommands(command: Command, finish: (code: number) => void): void {
  const roles = ['viewer', 'operator', 'admin'];
  const scopes = ['read', 'catalog', 'deployments', 'incidents', 'webhooks', 'admin'];
  command
    .command('user')
    .description('manage users, for example to create the first admin')
    .command('create')
    .description('create a user and print its ID')
    .requiredOption('--email <address>', 'e-mail address, which is the login name')
    .option('--name <name>', 'display name; the default is the e-mail address')
    .addOption(new Option('--role <role>', 'role of the user').choices(roles).makeOptionMandatory())
    .option('--password-stdin', 'read the password from standard input')
    .action(async (options: UserOptions) => {
      const { createUser } = await import('./roles/identities.js');
      finish(await createUser({ ...options, role: asciiUpperCase(options.role) as UserOptions['role'] }));
    });
  command
    .command('key')
    .description('manage API keys')
    .command('create')
    .description('create an API key and print it; it cannot be read again')
    .requiredOption('--name <name>', 'name of the key: what it is used for')
    .addOption(new Option('--role <role>', 'role of the key').choices(roles).makeOptionMandatory())
    .addOption(new Option('--scope <scope...>', 'restrict the role to these scopes').choices(scopes))
    .option('--expires-in-days <days>', 'lifetime in days; by default the key does not expire', wholeNumber)
    .action(async (options: KeyOptions) => {
      const { createKey } = await import('./roles/identities.js');
      const scope = options.scope?.map(asciiUpperCase) as KeyOptions['scope'];
      finish(
        await createKey({ ...options, role: asciiUpperCase(options.role) as KeyOptions['role'], scope }),
      );
    });
}

function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,4}$/.test(text)) throw new InvalidArgumentError('expected a positive integer');
  return Number(text);
}

function addJobCommands(command: Command, finish: (code: number) => void): void {
  const jobs = command.command('jobs').description('list and retry jobs that failed permanently');
  jobs
    .command('dead')
    .description('list dead letters')
    .option('--json', 'print JSON')
    .action(async (options: { json?: boolean }) =>
      finish(await (await import('./roles/jobs.js')).listDead(options)),
    );
  jobs
    .command('retry <queue> [id...]')
    .description('retry dead letters of a queue; without IDs, all of them')
    .action(async (queue: string, ids: string[]) =>
      finish(await (await import('./roles/jobs.js')).retryDead(queue, ids)),
    );
}

async function main(): Promise<number> {
  enableCompileCache();
  let code: number = EXIT.ok;
  try {
    await program((roleCode) => {
      code = roleCode;
    }).parseAsync();
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    return fail(error);
  }
}

/** Writes one line to the termination log and to stderr. */
function fail(error: unknown): number {
  const isConfigError = error instanceof ConfigError;
  const message = redactUrls(error instanceof Error ? error.message : String(error));
  const line = isConfigError ? `invalid settings: ${message}` : message;
  writeTerminationMessage(line);
  process.stderr.write(`${line}\n`);
  return isConfigError ? EXIT.config : EXIT.failure;
}

// Not process.exitCode: timers of a failed role would keep the process alive.
process.exit(await main());
