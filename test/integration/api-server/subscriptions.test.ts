import assert from 'node:assert/strict';
import { pino } from 'pino';
import type { Access } from '../../../api-server/database/access.js';
import type { Database } from '../../../api-server/database/database.js';
import { eventRetentionJob } from '../../../api-server/modules/events/event-retention.js';
import { PostgresSignal } from '../../../api-server/modules/events/event-signal.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { DomainUnderTest } from './domain-under-test.js';

const CHANGED = `subscription ($after: String, $serviceId: ID, $environment: String) {
  deploymentChanged(after: $after, serviceId: $serviceId, environment: $environment) {
    cursor kind occurredAt deployment { id version status weight service { name } } } }`;

const log = pino({ level: 'silent' });
const signal = (database: Database) =>
  new PostgresSignal(database.dataSource, () => database.openWatch(), log);

describe('api-server subscriptions', () => {
  let domain: DomainUnderTest;
  let other: DomainUnderTest;
  // biome-ignore lint/suspicious/noExplicitAny: the shape depends on the test
  const open: AsyncIterableIterator<any>[] = [];

  before(async () => {
    domain = await DomainUnderTest.start(undefined, signal);
    other = await DomainUnderTest.start(domain.url, signal);
  });
  beforeEach(() => domain.clear());
  afterEach(async () => {
    for (const subscription of open.splice(0)) await subscription.return?.();
    await eventually('there are no subscribers', () => domain.modules.feed.subscribers === 0);
  });
  after(async () => {
    await domain?.close();
    await other?.close();
  });

  const subscribe = async (from: DomainUnderTest, variables: object = {}, query = CHANGED) => {
    const subscription = await from.subscribe(query, variables);
    open.push(subscription);
    return async () => {
      const { value } = await subscription.next();
      assert.deepEqual(value.errors, undefined);
      return Object.values(value.data as object)[0];
    };
  };

  it('delivers events of a deployment in order: recorded, updated, finished', async () => {
    const next = await subscribe(domain);
    const id = await domain.record(await domain.createService('web'), { weight: 5 });
    const first = await next();
    assert.deepEqual(
      [first.kind, first.deployment.id, first.deployment.service.name],
      ['DEPLOYMENT_RECORDED', id, 'web'],
    );
    await domain.ask('mutation ($id: ID!) { updateDeployment(input: { id: $id, weight: 50 }) { id } }', {
      id,
    });
    const second = await next();
    assert.deepEqual([second.kind, second.deployment.weight], ['DEPLOYMENT_UPDATED', 50]);
    await domain.finish(id);
    const third = await next();
    assert.deepEqual([third.kind, third.deployment.status], ['DEPLOYMENT_FINISHED', 'SUCCEEDED']);
  });

  it('delivers events of another process by signal, before the next poll', async () => {
    const next = await subscribe(other);
    const web = await domain.createService('web');
    const startedAt = performance.now();
    const id = await domain.record(web);
    assert.equal((await next()).deployment.id, id);
    assert.ok(performance.now() - startedAt < 900, 'without a signal, the reader polls every second');
  });

  it('continues after the cursor of the client, in any process', async () => {
    const web = await domain.createService('web');
    const next = await subscribe(domain);
    await domain.record(web, { version: 'v1' });
    const { cursor } = await next();
    for (const version of ['v2', 'v3', 'v4']) await domain.record(web, { version });
    const again = await subscribe(other, { after: cursor });
    const versions = [await again(), await again(), await again()].map(
      ({ deployment }) => deployment.version,
    );
    assert.deepEqual(versions, ['v2', 'v3', 'v4']);
    await domain.record(web, { version: 'v5' });
    assert.equal((await again()).deployment.version, 'v5', 'followed by new events');
  });

  it('delivers each event once and in the same order to all subscribers during concurrent writes', async () => {
    const web = await domain.createService('web');
    const first = await subscribe(domain);
    await domain.record(web, { version: 'start' });
    const { cursor } = await first();
    const total = 120;
    const writing = Array.from({ length: total }, (_, n) =>
      (n % 2 ? domain : other).record(web, { version: `v${n}`, idempotencyKey: `many-${n}` }),
    );
    const readers = [];
    for (let reader = 0; reader < 6; reader += 1) {
      await writing[reader * 15];
      readers.push(await subscribe(reader % 2 ? domain : other, { after: cursor }));
    }
    const results = await Promise.all(
      readers.map(async (next) => {
        const cursors: string[] = [];
        const versions = new Set<string>();
        while (cursors.length < total) {
          const event = await next();
          cursors.push(event.cursor);
          versions.add(event.deployment.version);
        }
        return { cursors, versions };
      }),
    );
    await Promise.all(writing);
    for (const { cursors, versions } of results) {
      assert.equal(versions.size, total);
      assert.deepEqual(cursors, results[0]!.cursors, 'all subscribers receive the same order');
    }
  });

  it('delivers an event whose transaction commits after a later event', async () => {
    const web = await domain.createService('web');
    const next = await subscribe(domain);
    await domain.record(web, { version: 'before' });
    const { cursor } = await next();
    const access: Access = { mode: 'write', tables: ['domain_events'] };
    await domain.database.dataSource.withManager(access, (connected) =>
      connected.transaction(async (late) => {
        const INSERT = `INSERT INTO domain_events (kind, subject_id, service_id, environment, payload)
        SELECT kind, subject_id, service_id, environment, payload FROM domain_events LIMIT 1 RETURNING id`;
        await late.query(INSERT);
        await domain.record(web, { version: 'after' });
        assert.equal((await next()).deployment.version, 'after');
      }),
    );
    domain.modules.feed.announce();
    assert.equal((await next()).deployment.version, 'before', 'the late event, after its commit');
    const again = await subscribe(other, { after: cursor });
    assert.equal(
      (await again()).deployment.version,
      'after',
      'a resumed subscription receives the same order',
    );
    assert.equal((await again()).deployment.version, 'before');
  });

  it('delivers only events that match the arguments of the subscription', async () => {
    const [web, db] = [await domain.createService('web'), await domain.createService('db')];
    const ofDb = await subscribe(domain, { serviceId: db });
    const inStaging = await subscribe(domain, { environment: 'staging' });
    const incidents = await subscribe(
      domain,
      {},
      'subscription { incidentChanged { kind incident { title resolvedAt } } }',
    );
    await domain.record(web, { version: 'web' });
    await domain.record(db, { version: 'db' });
    await domain.record(web, { version: 'web-staging', environment: 'staging' });
    const { openIncident } = await domain.ask(
      'mutation ($id: ID!) { openIncident(input: { serviceId: $id, environment: "production", title: "down", severity: HIGH, idempotencyKey: "k" }) { id } }',
      { id: web },
    );
    await domain.ask('mutation ($id: ID!) { resolveIncident(input: { id: $id }) { id } }', {
      id: openIncident.id,
    });
    assert.equal((await ofDb()).deployment.version, 'db');
    assert.equal((await inStaging()).deployment.version, 'web-staging');
    assert.deepEqual((await incidents()).kind, 'INCIDENT_OPENED');
    assert.deepEqual((await incidents()).kind, 'INCIDENT_RESOLVED');
  });

  for (const [what, after] of [
    ['is invalid', 'nonsense'],
    ['belongs to a list', Buffer.from('["web"]').toString('base64url')],
    ['belongs to an event that does not exist', Buffer.from('e999999999').toString('base64url')],
    ['is not a number', Buffer.from('e1; DROP TABLE services').toString('base64url')],
    ['is too large a number', Buffer.from(`e${'9'.repeat(40)}`).toString('base64url')],
  ] as const) {
    it(`refuses a cursor that ${what}`, async () => {
      await assert.rejects(domain.subscribe(CHANGED, { after }), { code: 'BAD_USER_INPUT', field: 'after' });
      assert.equal(domain.modules.feed.subscribers, 0);
    });
  }

  it('refuses an expired cursor instead of skipping events', async () => {
    const web = await domain.createService('web');
    const next = await subscribe(domain);
    const cursors: string[] = [];
    for (const version of ['v1', 'v2', 'v3']) {
      await domain.record(web, { version });
      cursors.push((await next()).cursor);
    }
    await domain.sql(`UPDATE domain_events SET occurred_at = now() - interval '8 days'
      WHERE position <= (SELECT max(position) - 1 FROM domain_events)`);
    await retain(7 * 86_400_000);
    await assert.rejects(domain.subscribe(CHANGED, { after: cursors[0] }), { code: 'EVENTS_EXPIRED' });
    const resumed = await subscribe(domain, { after: cursors[1] });
    assert.equal((await resumed()).deployment.version, 'v3', 'events after the second one are retained');
    await domain.sql(`UPDATE domain_events SET occurred_at = now() - interval '8 days'`);
    await retain(7 * 86_400_000);
    await assert.rejects(domain.subscribe(CHANGED, { after: cursors[1] }), { code: 'EVENTS_EXPIRED' });
    await subscribe(domain, { after: cursors[2] });
  });

  it('refuses a cursor if an unread event after it has expired', async () => {
    const web = await domain.createService('web');
    const next = await subscribe(domain);
    await domain.record(web, { version: 'v1' });
    const { cursor } = await next();
    for (const subscription of open.splice(0)) await subscription.return?.();
    await domain.record(web, { version: 'v2' });
    await domain.sql(`UPDATE domain_events SET occurred_at = now() - interval '8 days'`);
    await retain(7 * 86_400_000);
    await assert.rejects(domain.subscribe(CHANGED, { after: cursor }), { code: 'EVENTS_EXPIRED' });
  });

  it('neither polls nor listens without subscribers', async () => {
    const next = await subscribe(domain);
    const web = await domain.createService('web');
    await domain.record(web);
    await next();
    const listening = () =>
      domain.sql(
        `SELECT FROM pg_stat_activity WHERE datname = current_database() AND query = 'LISTEN pcf_events'`,
      );
    assert.equal((await listening()).length, 1);
    for (const subscription of open.splice(0)) await subscription.return?.();
    await eventually('the LISTEN connection is closed', async () => (await listening()).length === 0);
    domain.statements.length = 0;
    await domain.record(web);
    assert.ok(!domain.statements.some((sql) => sql.includes('event_stream')));
  });

  it('continues after the LISTEN connection is lost', async () => {
    const next = await subscribe(domain);
    const web = await domain.createService('web');
    await domain.record(web);
    await next();
    await domain.sql(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND query = 'LISTEN pcf_events'`,
    );
    await other.record(web, { version: 'v2' });
    assert.equal((await next()).deployment.version, 'v2');
  });

  it('terminates a slow subscription with SUBSCRIBER_TOO_SLOW', async () => {
    const subscription = await domain.subscribe(CHANGED);
    open.push(subscription);
    const web = await domain.createService('web');
    await domain.record(web);
    await subscription.next();
    await domain.sql(
      `INSERT INTO domain_events (kind, subject_id, service_id, environment, payload)
       SELECT kind, subject_id, service_id, environment, payload FROM domain_events, generate_series(1, 2500) LIMIT 2500`,
    );
    domain.modules.feed.announce();
    await assert.rejects(
      async () => {
        for (;;) if ((await subscription.next()).done) return;
      },
      { extensions: { code: 'SUBSCRIBER_TOO_SLOW' } },
    );
  });

  async function retain(keepMs: number): Promise<void> {
    const job = eventRetentionJob(domain.database.dataSource, keepMs, 1);
    await job.handle({}, { signal: new AbortController().signal, attempt: 1, isLast: false, log });
  }
});
