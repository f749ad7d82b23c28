/** An API with authentication, and clients with tokens of each role and with API keys. */
import assert from 'node:assert/strict';
import { bearer, JWT_SECRET } from '../../support/fixtures/tokens.js';
import { sharedPostgres, type TestPostgres } from '../../support/servers/postgres.js';
import { ApiProcess, type GraphqlAnswer } from './api-process.js';
import { migratedDatabase } from './migrated-database.js';

export const ME = '{ me { kind name role scopes user { email } apiKey { name } } }';
export const CREATE_KEY =
  'mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) { key apiKey { id prefix scopes createdBy } } }';
export const CREATE_USER =
  'mutation ($input: CreateUserInput!) { createUser(input: $input) { id email role disabledAt } }';
export const UPDATE_USER =
  'mutation ($input: UpdateUserInput!) { updateUser(input: $input) { id role disabledAt } }';
export const CREATE_SERVICE = 'mutation ($name: String!) { createService(input: { name: $name }) { id } }';
export const AUDIT = `query ($filter: AuditEventFilter) { auditEvents(filter: $filter) { totalCount edges { node {
  actor actorName role action input subject outcome errorCode requestId } } } }`;

export class IdentitiesUnderTest {
  private constructor(
    readonly postgres: TestPostgres,
    readonly url: string,
    readonly api: ApiProcess,
  ) {}

  static async start(): Promise<IdentitiesUnderTest> {
    const postgres = await sharedPostgres();
    const url = await migratedDatabase();
    const api = await ApiProcess.start({
      PCF_API__DATABASE__URL: url,
      PCF_API__AUTH__OPEN: 'false',
      PCF_API__AUTH__JWT_SECRET: JWT_SECRET,
      PCF_API__AUTH__IDENTITY_CACHE: '200ms',
    });
    await api.waitForReady();
    return new IdentitiesUnderTest(postgres, url, api);
  }

  /** Runs an operation with a token of the role. */
  async as(role: string, query: string, variables: object = {}): Promise<GraphqlAnswer> {
    return this.api.graphql(query, variables, await bearer({ role, sub: role.toLowerCase() }));
  }

  withKey(key: string, query: string, variables: object = {}): Promise<GraphqlAnswer> {
    return this.api.graphql(query, variables, { 'x-api-key': key });
  }

  async newKey(input: object = {}): Promise<{ key: string; id: string }> {
    const { data, errors } = await this.as('ADMIN', CREATE_KEY, {
      input: { name: 'ci', role: 'OPERATOR', ...input },
    });
    assert.deepEqual(errors, []);
    return { key: data.createApiKey.key, id: data.createApiKey.apiKey.id };
  }

  /** Creates a user and returns its ID. */
  async newUser(input: object = {}): Promise<string> {
    const given = { email: 'ada@example.com', name: 'Ada', role: 'ADMIN', ...input };
    const { data, errors } = await this.as('ADMIN', CREATE_USER, { input: given });
    assert.deepEqual(errors, []);
    return data.createUser.id;
  }

  async clear(): Promise<void> {
    const tables = 'services, users, refresh_tokens, api_keys, audit_events';
    await this.postgres.query(`TRUNCATE ${tables} CASCADE`, this.url);
  }
}

export const codes = ({ errors }: GraphqlAnswer) => errors.map(({ extensions }) => extensions.code);
