/** Executes GraphQL operations of the domain without a server, on a real database, and records SQL statements. */

import { type ExecutionResult, graphql, parse, subscribe } from 'graphql';
import { pino } from 'pino';
import { type Identity, OPEN_IDENTITY } from '../../../api-server/auth/identity.js';
import { loadSettings } from '../../../api-server/config/load.js';
import { Database } from '../../../api-server/database/database.js';
import { schemaMisfit } from '../../../api-server/migrations/engine/schema-misfit.js';
import type { EventSignal } from '../../../api-server/modules/events/event-signal.js';
import { createModules, ENTITIES, type Modules } from '../../../api-server/modules/modules.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { compareDeclaredAccess, TEST_ACCESS } from '../../support/fixtures/declared-access.js';
import { migratedDatabase } from './migrated-database.js';

// biome-ignore lint/suspicious/noExplicitAny: the shape depends on the query of the test
type Data = any;

export const RECORD =
  'mutation ($input: RecordDeploymentInput!) { recordDeployment(input: $input) { id weight } }';
export const FINISH =
  'mutation ($input: FinishDeploymentInput!) { finishDeployment(input: $input) { id status reason finishedAt } }';
export const OPEN =
  'mutation ($input: OpenIncidentInput!) { openIncident(input: $input) { id openedAt resolvedAt } }';

export interface Outcome {
  data: Data;
  errors: { message: string; code: unknown; field: unknown }[];
  /** SQL statements of the operation. */
  statements: string[];
}

export class DomainUnderTest {
  readonly statements: string[] = [];
  /** Identity of the caller. */
  identity: Identity = OPEN_IDENTITY;
  #keys = 0;

  private constructor(
    readonly url: string,
    readonly database: Database,
    readonly modules: Modules,
  ) {}

  /** Starts on a new database, or on that of another instance. */
  static async start(url?: string, signal?: (database: Database) => EventSignal): Promise<DomainUnderTest> {
    const database = url ?? (await migratedDatabase());
    const { database: settings } = await loadSettings({
      PCF_API__DATABASE__URL: database,
      PCF_CONFIG_DIR: '/nonexistent',
    });
    const log = pino({ level: 'silent' });
    const statements: string[] = [];
    const opened = new Database({
      settings,
      entities: ENTITIES,
      schemaMisfit: (connection) => schemaMisfit(connection, []),
      log,
      observe: ({ text }) => void statements.push(text),
      onRetry: () => undefined,
    });
    compareDeclaredAccess();
    opened.start();
    await eventually('the database is ready', () => opened.monitor.isReady);
    const modules = await createModules(opened.dataSource, { log, signal: signal?.(opened) });
    const domain = new DomainUnderTest(database, opened, modules);
    (domain as { statements: string[] }).statements = statements;
    return domain;
  }

  async run(query: string, variables: object = {}): Promise<Outcome> {
    this.statements.length = 0;
    const { schema, context } = this.modules;
    const source = { ...variables };
    const result = await graphql({
      schema,
      source: query,
      variableValues: source,
      contextValue: context(this.identity),
    });
    return { ...outcome(result), statements: [...this.statements] };
  }

  /** Returns the data of an operation that must succeed. */
  async ask(query: string, variables: object = {}): Promise<Data> {
    const { data, errors } = await this.run(query, variables);
    if (errors.length > 0) throw new Error(`${query}: ${JSON.stringify(errors)}`);
    return data;
  }

  /** Returns the code and the input field of the first error, both undefined when there is none. */
  async refusalOf(query: string, variables: object): Promise<[code: unknown, field: unknown]> {
    const { errors } = await this.run(query, variables);
    return [errors[0]?.code, errors[0]?.field];
  }

  async subscribe(query: string, variables: object = {}): Promise<AsyncIterableIterator<Data>> {
    const { schema, context } = this.modules;
    const result = await subscribe({
      schema,
      document: parse(query),
      variableValues: { ...variables },
      contextValue: context(this.identity),
    });
    if (!(Symbol.asyncIterator in result)) {
      throw Object.assign(new Error(result.errors?.[0]?.message), result.errors?.[0]?.extensions);
    }
    return result;
  }

  async sql<Row extends object>(sql: string, values: unknown[] = []): Promise<Row[]> {
    return this.database.dataSource.runSql(TEST_ACCESS, sql, values);
  }

  async createService(name: string): Promise<string> {
    const data = await this.ask(
      'mutation ($name: String!) { createService(input: { name: $name }) { id } }',
      { name },
    );
    return data.createService.id;
  }

  /** Records a deployment with a new idempotency key, unless one is given. */
  async record(serviceId: string, more: object = {}): Promise<string> {
    this.#keys += 1;
    const input = {
      serviceId,
      environment: 'production',
      version: '1.0.0',
      idempotencyKey: `k${this.#keys}`,
    };
    const data = await this.ask(
      'mutation ($input: RecordDeploymentInput!) { recordDeployment(input: $input) { id } }',
      { input: { ...input, ...more } },
    );
    return data.recordDeployment.id;
  }

  async finish(id: string, outcomeOf = 'SUCCEEDED', more: object = {}): Promise<void> {
    await this.ask('mutation ($input: FinishDeploymentInput!) { finishDeployment(input: $input) { id } }', {
      input: { id, outcome: outcomeOf, ...more },
    });
  }

  async clear(): Promise<void> {
    await this.sql(
      'TRUNCATE delivery_days, services, environments, releases, deployments, incidents, webhooks, webhook_messages, domain_events, users, refresh_tokens, api_keys, audit_events',
    );
  }

  async close(): Promise<void> {
    await this.modules.feed.close();
    await this.database.close();
  }
}

function outcome({ data, errors = [] }: ExecutionResult): Omit<Outcome, 'statements'> {
  return {
    data,
    errors: errors.map(({ message, extensions }) => ({
      message,
      code: extensions.code,
      field: extensions.field,
    })),
  };
}
