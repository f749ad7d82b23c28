#!/usr/bin/env node
/** The API's image: one program, and a role for each thing it can be started to do. */
import { enableCompileCache } from 'node:module';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { EXIT } from '../contract/image.js';
import { ConfigError } from './config/config-error.js';
import { leaveLastWords } from './platform/last-words.js';
import { redactUrls } from './platform/logging/redact.js';
import { version } from './platform/version.js';
import type { KeyOptions, UserOptions } from './roles/identities.js';
import type { MigrateOptions } from './roles/migrate.js';

const EXAMPLES = `
Examples:
  $ PCF_API__DATABASE__URL=postgresql://user:password@localhost/pcf pcf-api migrate up
  $ PCF_API__DATABASE__URL=postgresql://user:password@localhost/pcf pcf-api serve
  $ pcf-api migrate status --json
  $ pcf-api user create --email ada@example.com --role admin --password-stdin < password
  $ pcf-api describe --json

Settings: base.toml, <PCF_API__ENVIRONMENT>.toml, *.toml in PCF_CONFIG_DIR, PCF_API__SECTION__KEY.

Exit codes: 0 fine; 1 failed; 64 wrong arguments; 75 try again later (for instance the
database is away); 78 refused: settings, lint or the database's history.`;

const MANAGE = {
  baseline: 'record this migration, and those before it, as applied to a database that has no record',
  cancel: 'stop a backfill after its current batch',
  resume: 'let a cancelled backfill continue with the next `up`',
};

/** Roles are imported when they are chosen, so that none pays for what another needs. */
function program(finish: (code: number) => void): Command {
  const command = new Command('pcf-api')
    .description('The GraphQL API of the Platform Control Framework.')
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
    .description('log people in (passwords, refresh tokens) until SIGTERM')
    .action(async () => finish(await (await import('./roles/auth.js')).auth()));
  addJobCommands(command, finish);
  addIdentityCommands(command, finish);

  const migrate = command.command('migrate').description("bring the database's schema up to this image");
  const actions = {
    up: 'apply what is pending: expand, then backfill; contract only when asked for',
    plan: 'say what `up` would do, or why it would refuse; changes nothing',
    status: 'say what is applied and what is pending',
  };
  for (const action of ['up', 'plan', 'status'] as const) {
    migrate
      .command(action)
      .description(actions[action])
      .option('--json', 'print the report as JSON')
      .option('--detailed-exitcode', 'end with 3 when there is nothing to do')
      .addOption(
        new Option('--phase <phase...>', 'only these phases').choices(['expand', 'backfill', 'contract']),
      )
      .action(async (options: MigrateOptions) =>
        finish(await (await import('./roles/migrate.js')).migrate(action, options)),
      );
  }
  migrate
    .command('lint')
    .description('judge every migration of this image; needs no database')
    .option('--json', 'print the findings as JSON')
    .action(async (options: { json?: boolean }) =>
      finish(await (await import('./roles/migrate-lint.js')).migrateLint(options)),
    );
  migrate
    .command('verify')
    .description('compare the live schema with the applied migrations and the code; 1 if they differ')
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
    .command('healthcheck')
    .description('ask the API on this machine whether it is alive')
    .action(async () => finish(await (await import('./roles/healthcheck.js')).healthcheck()));
  command
    .command('describe')
    .description('say what this image is: version, migrations, settings')
    .option('--json', 'print it as JSON, with the schema of the settings')
    .action(async (options: { json?: boolean }) =>
      finish(await (await import('./roles/describe.js')).describe(options)),
    );
  return command;
}

/** Roles and scopes are written out: reading them from where they are defined would load GraphQL. */
function addIdentityCommands(command: Command, finish: (code: number) => void): void {
  const roles = ['viewer', 'operator', 'admin'];
  const scopes = ['read', 'catalog', 'deployments', 'incidents', 'webhooks', 'admin'];
  const upper = (choice: string) => choice.toUpperCase();
  command
    .command('user')
    .description('make users, such as the first admin')
    .command('create')
    .description('make a user, and print its id')
    .requiredOption('--email <address>', 'what the user logs in with')
    .option('--name <name>', 'what the user is called; the address when left out')
    .addOption(new Option('--role <role>', 'what the user may do').choices(roles).makeOptionMandatory())
    .option('--password-stdin', 'read the password from standard input')
    .action(async (options: UserOptions) => {
      const { createUser } = await import('./roles/identities.js');
      finish(await createUser({ ...options, role: upper(options.role) as UserOptions['role'] }));
    });
  command
    .command('key')
    .description('make API keys')
    .command('create')
    .description('make an API key, and print it; it is shown this once')
    .requiredOption('--name <name>', 'what it is for')
    .addOption(new Option('--role <role>', 'what it may do').choices(roles).makeOptionMandatory())
    .addOption(new Option('--scope <scope...>', 'only this part of what the role may').choices(scopes))
    .option('--expires-in-days <days>', 'how long it is good; for good when left out', wholeNumber)
    .action(async (options: KeyOptions) => {
      const { createKey } = await import('./roles/identities.js');
      const scope = options.scope?.map(upper) as KeyOptions['scope'];
      finish(await createKey({ ...options, role: upper(options.role) as KeyOptions['role'], scope }));
    });
}

function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,4}$/.test(text)) throw new InvalidArgumentError('expected a whole number above 0');
  return Number(text);
}

function addJobCommands(command: Command, finish: (code: number) => void): void {
  const jobs = command.command('jobs').description('look at jobs that failed for good, and try them again');
  jobs
    .command('dead')
    .description('list the dead letters')
    .option('--json', 'print them as JSON')
    .action(async (options: { json?: boolean }) =>
      finish(await (await import('./roles/jobs.js')).listDead(options)),
    );
  jobs
    .command('retry <queue> [id...]')
    .description('try dead letters of a queue again; all of them when no id is given')
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

/** One line that a person can act on, where the kubelet and the terminal show it. */
function fail(error: unknown): number {
  const refused = error instanceof ConfigError;
  const message = redactUrls(error instanceof Error ? error.message : String(error));
  const line = refused ? `settings refused: ${message}` : message;
  leaveLastWords(line);
  process.stderr.write(`${line}\n`);
  return refused ? EXIT.config : EXIT.failure;
}

// Not exitCode: a role that failed half-way may have left timers that would keep the process alive.
process.exit(await main());
