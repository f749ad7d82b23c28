/** Load on an API whose database fails: reads, and pipelines that record deployments. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { toGlobalId } from '../../../api-server/graphql/relay/global-id.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import type { TestPostgres } from '../../support/servers/postgres.js';
import { ApiProcess } from './api-process.js';

/** Reads the table that {@link lockServices} locks. */
export const SERVICES = '{ services { totalCount edges { node { name } } } }';

/** Sends requests continuously and records their statuses. */
export class Load {
  readonly statuses = new Map<number, number>();
  readonly allStatuses = new Set<number>();
  readonly problems: string[] = [];
  #running = true;
  readonly #clients: Promise<void>[];

  constructor(private readonly api: ApiProcess) {
    this.#clients = Array.from({ length: 4 }, () => this.#run());
  }

  /** Resolves after `count` further responses with a status. */
  async responses(status: number, count: number): Promise<void> {
    const atStart = this.statuses.get(status) ?? 0;
    const received = () => (this.statuses.get(status) ?? 0) - atStart;
    await eventually(`${count} responses with ${status}`, () => received() >= count, 60_000, 5);
  }

  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#clients);
  }

  async #run(): Promise<void> {
    while (this.#running) {
      const { status, headers, text } = await this.api.graphql(SERVICES);
      this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1);
      this.allStatuses.add(status);
      if (status === 503 && !(Number(headers.get('retry-after')) >= 1))
        this.problems.push(`no Retry-After: ${text}`);
      if (status === 503 && !text.includes('SERVICE_UNAVAILABLE')) this.problems.push(text);
      await sleep(5);
    }
  }
}

/** Pipelines that record deployments and retry with the same idempotency key until they succeed. */
export class Writers {
  readonly #acknowledged = new Map<string, string>();
  #retries = 0;
  #running = true;
  readonly #clients: Promise<void>[];

  constructor(
    private readonly api: ApiProcess,
    private readonly serviceId: string,
  ) {
    this.#clients = Array.from({ length: 3 }, (_, client) => this.#run(client));
  }

  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#clients);
  }

  /** Asserts that the database has exactly the acknowledged deployments, each once, with their events. */
  async assertAllRecorded(postgres: TestPostgres, url: string): Promise<void> {
    const rows = await postgres.query<{ id: string; key: string; events: number; audits: number }>(
      `SELECT id, idempotency_key AS key,
         (SELECT count(*)::int FROM domain_events e WHERE e.subject_id = d.id) AS events,
         (SELECT count(*)::int FROM audit_events a WHERE a.outcome = 'SUCCEEDED' AND a.input @> jsonb_build_object(
           'input', jsonb_build_object('idempotencyKey', d.idempotency_key))) AS audits
       FROM deployments d`,
      url,
    );
    assert.ok(
      this.#acknowledged.size >= 10,
      `only ${this.#acknowledged.size} were recorded, too few to compare`,
    );
    assert.ok(this.#retries > 0, 'no request failed during the outage');
    const there = rows.map(({ key, id }) => [key, toGlobalId('Deployment', id)] as const);
    assert.deepEqual(new Map([...there].sort()), new Map([...this.#acknowledged].sort()));
    assert.equal(there.length, this.#acknowledged.size, 'each deployment is recorded once');
    assert.ok(rows.every(({ events }) => events === 1));
    assert.ok(
      rows.every(({ audits }) => audits >= 1),
      'each deployment has an audit event',
    );
  }

  async #run(client: number): Promise<void> {
    for (let n = 0; this.#running; n += 1) await this.#record(`pipeline-${client}-${n}`);
  }

  async #record(idempotencyKey: string): Promise<void> {
    const input = { serviceId: this.serviceId, environment: 'production', version: '1', idempotencyKey };
    for (;;) {
      const { status, data, errors } = await this.api.graphql(
        'mutation ($input: RecordDeploymentInput!) { recordDeployment(input: $input) { id } }',
        { input },
      );
      if (status === 200 && errors.length === 0) {
        this.#acknowledged.set(idempotencyKey, data.recordDeployment.id);
        return;
      }
      assert.equal(status, 503, JSON.stringify(errors));
      this.#retries += 1;
      await sleep(20);
    }
  }
}

/** Locks the table of services: its queries block until the lock is released. */
export async function lockServices(url: string): Promise<{ release(): Promise<void> }> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query('BEGIN');
  await client.query('LOCK TABLE services IN ACCESS EXCLUSIVE MODE');
  return { release: () => client.end() };
}
