/** `user create` and `key create`, which create the first admin without access to the API. */
import 'reflect-metadata';
import { text } from 'node:stream/consumers';
import { type ValidationError, validate } from 'class-validator';
import { EXIT } from '../../contract/image.js';
import { redactInput } from '../auth/redact-input.js';
import type { Role, Scope } from '../auth/roles.js';
import { loadSettings } from '../config/load.js';
import { Database } from '../database/database.js';
import { isDatabaseUnavailable } from '../database/pool/connection-errors.js';
import type { DataSource } from '../database/pool/data-source.js';
import type { AuditRecorder } from '../graphql/audit.js';
import { CreateApiKeyInput } from '../modules/api-keys/api-key.inputs.js';
import { ApiKeyService } from '../modules/api-keys/api-key.service.js';
import { AuditLog } from '../modules/audit/audit-log.js';
import { ENTITIES } from '../modules/modules.js';
import { CreateUserInput } from '../modules/users/user.inputs.js';
import { UserService } from '../modules/users/user.service.js';
import { createLogger } from '../observability/logging/logger.js';

/** Actor in the audit log. */
const ACTOR = { actor: 'command', actorName: 'command line', role: null, requestId: null };

export interface UserOptions {
  email: string;
  name?: string;
  role: Role;
  /** Reads the password from standard input: other users of the host can see arguments. */
  passwordStdin?: boolean;
}

export interface KeyOptions {
  name: string;
  role: Role;
  scope?: Scope[];
  expiresInDays?: number;
}

export async function createUser({ email, name, role, passwordStdin }: UserOptions): Promise<number> {
  const password = passwordStdin ? (await text(process.stdin)).replace(/\r?\n$/, '') : undefined;
  const input = Object.assign(new CreateUserInput(), { email, name: name ?? email, role, password });
  return withDatabase(input, async (dataSource, record) => {
    const user = await new UserService(dataSource).create(input);
    await record({
      ...{ ...ACTOR, action: 'createUser', input: redactInput(input), subject: user.id },
      ...{ outcome: 'SUCCEEDED', errorCode: null },
    });
    process.stdout.write(`${user.id}\n`);
  });
}

/** Prints only the key, so that the output can be redirected to a file or a Secret. */
export async function createKey({ name, role, scope, expiresInDays }: KeyOptions): Promise<number> {
  const expiresAt = expiresInDays ? new Date(Date.now() + expiresInDays * 24 * 3_600_000) : undefined;
  const input = Object.assign(new CreateApiKeyInput(), { name, role, scopes: scope, expiresAt });
  return withDatabase(input, async (dataSource, record) => {
    const { apiKey, key } = await new ApiKeyService(dataSource).create(input, ACTOR.actor);
    await record({
      ...{ ...ACTOR, action: 'createApiKey', input: redactInput(input), subject: apiKey.id },
      ...{ outcome: 'SUCCEEDED', errorCode: null },
    });
    process.stdout.write(`${key}\n`);
  });
}

async function withDatabase(
  input: object,
  work: (dataSource: DataSource, record: AuditRecorder) => Promise<void>,
): Promise<number> {
  const problems = await validate(input, { skipMissingProperties: true });
  if (problems.length > 0) return fail(problems.map(sentence).join('; '), EXIT.usage);
  const settings = await loadSettings();
  const log = createLogger('warn', 'stderr');
  // Without a monitor, which is not started: a command fails when the database is unavailable.
  const database = new Database({
    settings: settings.database,
    entities: ENTITIES,
    schemaMisfit: async () => undefined,
    log,
    observe: () => undefined,
    onRetry: () => undefined,
  });
  const { dataSource } = database;
  try {
    await dataSource.initialize();
    await work(dataSource, new AuditLog(dataSource, log).record);
    return EXIT.ok;
  } catch (error) {
    const code = isDatabaseUnavailable(error) ? EXIT.tempFail : EXIT.failure;
    return fail((error as Error).message || 'the database is unavailable', code);
  } finally {
    await database.close();
  }
}

function sentence({ property, constraints }: ValidationError): string {
  return `--${property}: ${Object.values(constraints ?? {}).join(', ')}`;
}

function fail(problem: string, code: number): number {
  process.stderr.write(`${problem}\n`);
  return code;
}
