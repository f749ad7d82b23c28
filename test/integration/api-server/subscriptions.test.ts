import assert from 'node:assert/strict';
import { pino } from 'pino';
import type { Access } from '../../../api-server/database/access.js';
import type { Database } from '../../../api-server/database/database.js';
import { eventRetentionJob } from '../../../api-server/modules/events/event-retention.js';
import { PostgresSignal } from '../../../api-server/modules/events/event-signal.js';
import { eventually } from '../../support/pcf-api.js';
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
  // biome-ignore lint/suspicious/noExplicitAny: the shape is what each test asks for
  const open: AsyncIterableIterator<any>[] = [];

  before(async () => {
    domain = await DomainUnderTest.start(undefined, signal);
    other = await DomainUnderTest.start(domain.url, signal);
  });
  beforeEach(() => domain.clear());
  afterEach(async () => {
    for (const subscription of open.splice(0)) await subscription.return?.();
    await eventually('nobody subscribes any more', () => domain.modules.feed.subscribers === 0);
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

  it('tells of a deployment as it is recorded, moves on and ends, in this order', async () => {
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

  it('tells of what another process did, by a signal rather than by looking', async () => {
    const next = await subscribe(other);
    const web = await domain.createService('web');
    const startedAt = performance.now();
    const id = await domain.record(web);
    assert.equal((await next()).deployment.id, id);
    assert.ok(performance.now() - startedAt < 900, 'a reader without a signal looks each second');
  });

  it('continues behind the last event that a client has seen, wherever it is asked', async () => {
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
    assert.equal((await again()).deployment.version, 'v5', 'and then with what happens');
  });

  it('no event is missing and none comes twice, however many write and whenever one subscribes', async () => {
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
    const seen = await Promise.all(
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
    for (const { cursors, versions } of seen) {
      assert.equal(versions.size, total);
      assert.deepEqual(cursors, seen[0]!.cursors, 'everybody sees one order');
    }
  });

  it('an event whose transaction ends late is not passed over', async () => {
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
    assert.equal((await next()).deployment.version, 'before', 'the late one, once it is there');
    const again = await subscribe(other, { after: cursor });
    assert.equal((await again()).deployment.version, 'after', 'who comes back sees the same order');
    assert.equal((await again()).deployment.version, 'before');
  });

  it('tells each only of what it asked for', async () => {
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
    ['is none', 'nonsense'],
    ['is of a list', Buffer.from('["web"]').toString('base64url')],
    ['is of an event that never was', Buffer.from('e999999999').toString('base64url')],
    ['is no number', Buffer.from('e1; DROP TABLE services').toString('base64url')],
    ['is too large a number', Buffer.from(`e${'9'.repeat(40)}`).toString('base64url')],
  ] as const) {
    it(`refuses a cursor that ${what}`, async () => {
      await assert.rejects(domain.subscribe(CHANGED, { after }), { code: 'BAD_USER_INPUT', field: 'after' });
      assert.equal(domain.modules.feed.subscribers, 0);
    });
  }

  it('says that a cursor is too old rather than leaving out events', async () => {
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
    const kept = await subscribe(domain, { after: cursors[1] });
    assert.equal((await kept()).deployment.version, 'v3', 'all after the second is still there');
    await domain.sql(`UPDATE domain_events SET occurred_at = now() - interval '8 days'`);
    await retain(7 * 86_400_000);
    await assert.rejects(domain.subscribe(CHANGED, { after: cursors[1] }), { code: 'EVENTS_EXPIRED' });
    await subscribe(domain, { after: cursors[2] });
  });

  it('an event that nobody has read yet is not deleted without leaving its place', async () => {
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

  it('nothing reads and nothing listens while nobody subscribes', async () => {
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
    await eventually('the connection that listened is closed', async () => (await listening()).length === 0);
    domain.statements.length = 0;
    await domain.record(web);
    assert.ok(!domain.statements.some((sql) => sql.includes('event_stream')));
  });

  it('continues after the connection that listened was lost', async () => {
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

  it('ends who does not take what it asked for, and says from where to continue', async () => {
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
