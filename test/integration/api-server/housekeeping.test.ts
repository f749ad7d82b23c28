/** Tests housekeeping without a worker: `serve` runs it, in one process at a time. */
import assert from 'node:assert/strict';
import pg from 'pg';
import { pino } from 'pino';
import { loadSettings } from '../../../api-server/config/load.js';
import { housekeepingJobs } from '../../../api-server/roles/housekeeping.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { sharedPostgres, type TestPostgres } from '../../support/servers/postgres.js';
import { ApiProcess } from './api-process.js';
import { openDatabase } from './database-under-test.js';
import { migratedDatabase } from './migrated-database.js';

const HOUR_MS = 3_600_000;

describe('api-server housekeeping', () => {
  let postgres: TestPostgres;
  let url: string;

  before(async () => {
    postgres = await sharedPostgres();
    url = await migratedDatabase();
  });

  /** Records of every job that expired two days ago, and records that have not expired. */
  const insertRecords = async () => {
    await postgres.query(
      'TRUNCATE services, delivery_days, deployments, users, audit_events, domain_events CASCADE',
      url,
    );
    await postgres.query("INSERT INTO services (id, name) VALUES (gen_random_uuid(), 'web')", url);
    await postgres.query("INSERT INTO users (email, name, role) VALUES ('a@b.c', 'A', 'VIEWER')", url);
    for (const at of ["now() - interval '2 days'", "now() + interval '1 hour'"]) {
      await postgres.query(
        `INSERT INTO refresh_tokens (user_id, family, token_hash, expires_at)
         SELECT id, gen_random_uuid(), convert_to((${at})::text, 'UTF8'), ${at} FROM users`,
        url,
      );
      await postgres.query(
        `INSERT INTO audit_events (occurred_at, actor, actor_name, action, input, outcome)
         VALUES (${at}, 'open', 'anyone', 'createService', '{}', 'SUCCEEDED')`,
        url,
      );
      await postgres.query(
        `INSERT INTO domain_events (kind, subject_id, service_id, environment, payload, occurred_at)
         SELECT 'DEPLOYMENT_RECORDED', gen_random_uuid(), id, 'production', '{}', ${at} FROM services`,
        url,
      );
      await postgres.query(
        `INSERT INTO deployments (id, service_id, environment, version, idempotency_key, status, started_at, finished_at)
         SELECT gen_random_uuid(), id, 'production', '1', (${at})::text, 'SUCCEEDED', ${at}, ${at} FROM services`,
        url,
      );
    }
  };
  const counts = async () => {
    const [row] = await postgres.query<Record<string, number>>(
      `SELECT (SELECT count(*)::int FROM refresh_tokens) AS tokens,
         (SELECT count(*)::int FROM audit_events) AS audit,
         (SELECT count(*)::int FROM domain_events) AS events,
         (SELECT count(*)::int FROM deployments) AS deployments,
         (SELECT coalesce(sum(deployments), 0)::int FROM delivery_days) AS rolled_up`,
      url,
    );
    return row;
  };
  const ALL = { tokens: 2, audit: 2, events: 2, deployments: 2, rolled_up: 0 };
  const UNEXPIRED = { tokens: 1, audit: 1, events: 1, deployments: 1, rolled_up: 1 };

  it('serve: deletes expired records and rolls up deployments without a worker and without Redis', async () => {
    await insertRecords();
    assert.deepEqual(await counts(), ALL);
    const api = await ApiProcess.start({
      PCF_API__DATABASE__URL: url,
      PCF_API__RETENTION__EVERY: '1s',
      PCF_API__RETENTION__AUDIT: '1h',
      PCF_API__RETENTION__EVENTS: '1h',
      PCF_API__RETENTION__DEPLOYMENTS: '1h',
    });
    try {
      await eventually('the expired records are deleted', async () => {
        return JSON.stringify(await counts()) === JSON.stringify(UNEXPIRED);
      });
      api.signal('SIGTERM');
      const { code, stdout } = await api.ended;
      assert.equal(code, 0);
      assert.doesNotMatch(stdout, /housekeeping job failed|did not close in time/);
    } finally {
      await api.kill();
    }
  });

  describe('housekeeping jobs', () => {
    const context = {
      signal: new AbortController().signal,
      ...{ attempt: 1, isLast: true, log: pino({ level: 'silent' }) },
    };
    const run = async (extraMs = 0) => {
      const { retention } = await loadSettings({
        PCF_API__DATABASE__URL: url,
        PCF_CONFIG_DIR: '/nonexistent',
        PCF_API__RETENTION__AUDIT: '1h',
        PCF_API__RETENTION__EVENTS: '1h',
        PCF_API__RETENTION__DEPLOYMENTS: '1h',
      });
      await using under = await openDatabase(url);
      const jobs = housekeepingJobs(under.database.dataSource, retention, extraMs);
      for (const { handle } of jobs) await handle({}, context);
    };

    it('delete records only after the additional time, in which a worker deletes them', async () => {
      await insertRecords();
      await run(72 * HOUR_MS);
      assert.deepEqual(await counts(), ALL);
      await run(2 * HOUR_MS);
      assert.deepEqual(await counts(), UNEXPIRED);
    });

    it('delete nothing while another process holds the advisory lock, and delete records after its release', async () => {
      await insertRecords();
      const other = new pg.Client(url);
      await other.connect();
      await other.query('BEGIN');
      const names = [
        'retention audit_events',
        'retention refresh_tokens',
        'event-retention',
        'delivery-roll-up',
      ];
      for (const name of names)
        await other.query('SELECT pg_advisory_xact_lock(7365478, hashtext($1))', [name]);
      await run();
      assert.deepEqual(await counts(), ALL);
      await other.end(); // releases the locks
      await run();
      assert.deepEqual(await counts(), UNEXPIRED);
    });
  });
});
