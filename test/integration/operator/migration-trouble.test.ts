/** Faults during the migrations of a delivery: reported status, effect on requests, and recovery. */
import assert from 'node:assert/strict';
import { it as itAlone } from 'mocha';
import { Client } from 'pg';
import { JobKind, PodKind, SecretKind } from '../../../operator/resources/kinds.js';
import { LABELS } from '../../../operator/resources/metadata.js';
import type { Sandbox } from '../../../sandbox/sandbox.js';
import { Load } from '../../../sandbox/story/load.js';
import type { PcfApiView } from '../../../sandbox/story/pcfapi-watch.js';
import { seedServices } from '../../../sandbox/story/split/seed.js';
import { eventually, image, TestApi } from '../../support/cluster/pcf-api.js';
import { newTenant, START_TIMEOUT_MS, sharedSandbox } from '../../support/cluster/sandbox.js';
import { FULL_PACE, paceRows } from '../../support/fixtures/paced-rows.js';
import { itConcurrently as it } from '../../support/runner/it-concurrently.js';

type Migration = NonNullable<NonNullable<PcfApiView['status']>['migration']>;

const NEW = image('2.0.0');
/** The first batch takes 5 s, and all batches exceed the timeout of every test: tests remove the delay. */
const ROWS = 20_000;
const SECONDS_PER_ROW = 0.01;

/** Short connect timeout: an unavailable or full database is reported without delay. */
const SHORT_CONNECT_WAIT = { migrations: { connect_wait: '100ms' } };
/** Raises the PostgreSQL error of a full disk for each statement that needs disk space. */
const FULL_DISK = `
  CREATE FUNCTION full_disk() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN
    RAISE EXCEPTION 'could not extend file "base/1/1": No space left on device' USING ERRCODE = 'disk_full';
  END$$;
  CREATE EVENT TRIGGER full_disk ON ddl_command_start WHEN TAG IN ('ALTER TABLE', 'CREATE TABLE') EXECUTE FUNCTION full_disk();`;
/** Removes the effects and records of the migrations of version 2. */
const LOST_IN_A_FAILOVER = `
  DROP TRIGGER services_sync_repository ON services;
  DROP FUNCTION services_sync_repository;
  ALTER TABLE services DROP COLUMN repository_url, DROP COLUMN repository_branch;
  DELETE FROM schema_migrations WHERE name LIKE '%RepositoryParts%';
  DELETE FROM schema_backfills WHERE name LIKE '%RepositoryParts%';`;

describe('migrations with faults', () => {
  let sandbox: Sandbox;

  before(async function () {
    this.timeout(START_TIMEOUT_MS);
    sandbox = await sharedSandbox();
  });
  /** Tests outside of this group can run meanwhile: a killed operator only delays them. */
  const killsOperator = { group: 'kills the operator' };

  const migrationOf = (api: TestApi): Partial<Migration> => api.status.migration ?? {};
  /** Returns the first status that passes the check, because the status can change afterwards. */
  const until = async (api: TestApi, what: string, check: (migration: Partial<Migration>) => boolean) => {
    let met: Partial<Migration> | undefined;
    const matches = (view: PcfApiView | undefined) => {
      const migration = view?.status?.migration ?? {};
      if (check(migration)) met ??= migration;
      return met !== undefined;
    };
    await api.watch.until(what, matches, 120_000);
    return met!;
  };
  const isPromoted = (view: PcfApiView | undefined) =>
    view?.status?.phase === 'Ready' && view.status.stableImage === NEW;
  const promoted = (api: TestApi) => api.watch.until('promoted', isPromoted, 150_000);
  const isFilling = ({ summary = '' }: Partial<Migration>) => /^Backfill [1-9]\d*%$/.test(summary);
  const pcf = (api: TestApi, ...args: string[]) => sandbox.kubectlPcf([...args, '-n', api.namespace]);
  /** Starts version 1.0.0 under continuous load. `end` asserts that no request failed. */
  const startUnderLoad = async (prefix: string, spec: object = {}) => {
    const api = await TestApi.create(sandbox, await newTenant(sandbox, prefix), {
      strategy: { type: 'Canary', canary: { scaleDownDelay: '1s' } },
      ...spec,
    });
    await api.ready();
    const load = new Load({
      port: sandbox.gatewayPort,
      host: `${api.namespace}.example.com`,
      caPath: sandbox.gateway.caPath,
      query: '{ __typename }',
      workers: 2,
      pauseMs: 100, // up to three tests run at once
    });
    load.start();
    const end = async (remove = true) => {
      await load.stop();
      assert.deepEqual(load.total.failures, []);
      if (remove) await api.remove();
    };
    return { api, load, end };
  };
  const sql = async (api: TestApi, text: string) => {
    const client = new Client({ connectionString: sandbox.postgres.url(api.namespace) });
    await client.connect();
    await client.query(text).finally(() => client.end());
  };
  const seed = async (api: TestApi) => {
    await seedServices(sandbox.postgres.url(api.namespace), ROWS);
    await sql(api, paceRows(SECONDS_PER_ROW));
  };
  /** Asserts that all responses came from the old version. */
  const assertOnlyOldServed = ({ total }: Load) => assert.deepEqual(Object.keys(total.served), ['1.0.0']);

  it(
    'report the progress of a backfill, and resume it after runner and operator are killed',
    killsOperator,
    async () => {
      const { api, load, end } = await startUnderLoad('progress', { replicas: 1 });
      await seed(api);
      await api.patch({ image: NEW });
      const { progress, job = '' } = await until(api, 'progress', isFilling);
      assert.ok(progress && progress.rows > 0 && progress.rows < ROWS, JSON.stringify(progress));
      assert.ok(progress.rowsPerSecond > 0 && (progress.secondsLeft ?? -1) >= 0);
      assert.match(await pcf(api, 'status', api.name), /% of about \d+ rows, \d+ rows\/s, \d+[smh] left/);
      assert.match(await pcf(api, 'migrate', 'status', api.name), /backfill +\S+ \d+ % of about \d+ rows/);
      const column = await sandbox.parts.kubectl.run(['get', 'pcf', api.name, '-n', api.namespace]);
      assert.match(column, /Backfill \d+%/);
      assertOnlyOldServed(load);

      await sandbox.parts.kubectl.run([
        ...['delete', 'pods', '-n', api.namespace, '-l', `batch.kubernetes.io/job-name=${job}`],
        ...['--force', '--grace-period=0'],
      ]);
      await sandbox.operator.kill();
      await sandbox.operator.restart();
      await until(api, 'the backfill continues', ({ progress: now }) => (now?.rows ?? 0) > progress.rows);
      await sql(api, FULL_PACE);
      await promoted(api);
      assert.equal(migrationOf(api).progress?.rows, ROWS, 'no row was counted twice');
      assert.equal(migrationOf(api).summary, 'Succeeded');
      await end();
    },
  );

  it('report the session that holds the lock of a table, and continue when it releases the lock', async () => {
    const { api, load, end } = await startUnderLoad('locked', { migrations: { lockTimeout: '300ms' } });
    const holder = new Client({
      connectionString: sandbox.postgres.url(api.namespace),
      application_name: 'a long report',
    });
    holder.on('error', () => undefined); // when this test fails, a later one stops PostgreSQL under it
    await holder.connect();
    await holder.query('BEGIN');
    await holder.query('SELECT count(*) FROM services');
    const [{ pid }] = (await holder.query('SELECT pg_backend_pid() AS pid')).rows as [{ pid: number }];
    await api.patch({ image: NEW });
    const locked = await until(
      api,
      'the lock holder is reported',
      ({ lockHolder }) => lockHolder?.pid === pid,
    );
    assert.equal(locked.summary, 'Expand locked');
    assert.equal(locked.lockHolder?.application, 'a long report');
    const named = new RegExp(
      `blocked by a session with a table lock: pid ${pid} \\(a long report, \\w+\\), for`,
    );
    await eventually('kubectl pcf status names the lock holder', async () =>
      named.test(await pcf(api, 'status', api.name)),
    );
    assert.equal(api.status.traffic?.effectiveWeight, 0);
    assertOnlyOldServed(load);
    await holder.query('COMMIT');
    await holder.end();
    await promoted(api);
    assert.equal(migrationOf(api).lockHolder, undefined);
    await end();
  });

  it('report the PostgreSQL error for wrong credentials, too many connections and a full disk, and continue after the fix', async () => {
    const { api, load, end } = await startUnderLoad('credentials');
    const url = new URL(sandbox.postgres.url(api.namespace));
    const database = new Client({ connectionString: url.href });
    await database.connect();
    const role = `limited_${api.namespace.replace('-', '_')}`;
    await database.query(
      `CREATE ROLE ${role} LOGIN PASSWORD 'right' CONNECTION LIMIT 0 IN ROLE ${url.username}`,
    );
    const secret = (password: string) => {
      const databaseUrl = new URL(url);
      Object.assign(databaseUrl, { username: role, password });
      return sandbox.parts.kubectl.apply([
        {
          apiVersion: 'v1',
          kind: 'Secret',
          metadata: { name: 'other', namespace: api.namespace },
          stringData: { 'database-url': databaseUrl.href },
        },
      ]);
    };
    /** The delay between attempts is 10 s at first and doubles each time. */
    const awaitMessage = async (message: RegExp) => {
      const isReported = () => message.test(api.message()) && api.status.reason === 'MigrationRetrying';
      await api.watch.until(`${message}`, isReported, 150_000);
      assertOnlyOldServed(load);
    };
    await secret('wrong');
    await api.patch({ image: NEW, database: { secretRef: { name: 'other' } }, config: SHORT_CONNECT_WAIT });
    await awaitMessage(/password authentication failed/);
    assert.equal(api.message().includes('wrong'), false);
    await secret('right');
    await awaitMessage(/too many connections for role/);
    await database.query(FULL_DISK);
    await database.query(`ALTER ROLE ${role} CONNECTION LIMIT -1`);
    await awaitMessage(/No space left on device/);
    await database.query('DROP EVENT TRIGGER full_disk');
    await database.end();
    await promoted(api);
    assert.ok(await api.get(SecretKind, 'other'));
    await end();
  });

  it('abort for an image without support of phases, without effect on the stable revision', async () => {
    const { api, load, end } = await startUnderLoad('phases');
    await api.patch({ image: image('without-phases'), canaryWeight: 50 });
    await api.reason('MigrationFailed');
    assert.match(
      api.message(),
      /does not support `migrate up --phase`: use a newer image, or migrations.mode Disabled/,
    );
    assertOnlyOldServed(load);
    await api.patch({ image: NEW, canaryWeight: null });
    await promoted(api);
    await end();
  });

  it(
    'run again without effect if the operator was killed before it read their result',
    killsOperator,
    async () => {
      const { api, load, end } = await startUnderLoad('unheard');
      const holder = new Client({ connectionString: sandbox.postgres.url(api.namespace) });
      await holder.connect();
      await holder.query('BEGIN');
      // The lock blocks the migration until the operator is killed.
      await holder.query('LOCK TABLE services IN ACCESS SHARE MODE');
      await api.patch({ image: NEW });
      await api.watch.until('a new revision', (view) => view?.status?.updateImage === NEW);
      const revision = api.status.updateRevision;
      const expand = async () =>
        (await api.owned(JobKind)).filter(
          ({ metadata }) =>
            metadata.labels?.[LABELS.stage] === 'expand' && metadata.labels?.[LABELS.revision] === revision,
        );
      await eventually('the Job exists', async () => (await expand()).length === 1);
      await sandbox.operator.kill();
      await holder.query('COMMIT');
      await holder.end();
      const succeeded = async () => {
        const [job] = await expand();
        return (job?.status as { succeeded?: number } | undefined)?.succeeded === 1;
      };
      await eventually('the Job succeeded', succeeded);
      for (const { metadata } of await api.owned(PodKind))
        if (metadata.labels?.['app.kubernetes.io/component'] === 'migration')
          await sandbox.parts.client.delete(PodKind, api.namespace, metadata.name, { gracePeriodSeconds: 0 });
      assertOnlyOldServed(load);
      await sandbox.operator.restart();
      await promoted(api);
      const names = (await expand()).map(({ metadata }) => metadata.name).sort();
      assert.equal(names.length, 2, names.join());
      await end();
    },
  );

  it('stop a backfill when a hotfix replaces its delivery, and resume it later', async () => {
    const { api, end } = await startUnderLoad('hotfix', { replicas: 1 });
    await seed(api);
    const backfills = async () =>
      (await api.owned(JobKind)).filter(({ metadata }) => metadata.labels?.[LABELS.stage] === 'backfill');
    await api.patch({ image: NEW });
    const { progress: before } = await until(api, 'the backfill has progress', isFilling);
    assert.ok(before && before.rows > 0 && before.rows < ROWS, JSON.stringify(before));
    const hotfix = image('1.1.0');
    await api.patch({ image: hotfix });
    await api.watch.until(
      'the hotfix is promoted',
      ({ status } = {} as PcfApiView) => status?.phase === 'Ready' && status.stableImage === hotfix,
      120_000,
    );
    await eventually('the backfill Job is deleted', async () => (await backfills()).length === 0);

    await api.patch({ image: NEW });
    const more = (migration: Partial<Migration>) =>
      isFilling(migration) && (migration.progress?.rows ?? 0) > before.rows;
    await until(api, 'the backfill has more progress', more);
    await pcf(api, 'abort', api.name);
    await api.reason('AbortRequested');
    await eventually('the backfill Job is deleted again', async () => (await backfills()).length === 0);
    await sql(api, FULL_PACE);
    await pcf(api, 'retry', api.name);
    await promoted(api);
    assert.equal(migrationOf(api).progress?.rows, ROWS, 'no row was filled twice');

    await sandbox.parts.kubectl.run([
      ...['delete', 'jobs,pods', '-n', api.namespace, '-l', 'app.kubernetes.io/component=migration'],
      ...['--force', '--grace-period=0'],
    ]);
    const later = await until(api, 'its Jobs are deleted', ({ job }) => job === undefined);
    assert.equal(
      later.progress?.rows,
      ROWS,
      'the final progress is retained after Jobs and pods are deleted',
    );
    await end();
  });

  it('abort after their deadline, and are reapplied by a retry when a failover lost them', async () => {
    const { api, load, end } = await startUnderLoad('deadline');
    const client = new Client({ connectionString: sandbox.postgres.url(api.namespace) });
    await client.connect();
    await client.query('BEGIN');
    await client.query('LOCK TABLE services IN ACCESS SHARE MODE');
    const shortDeadline = { deadline: '5s', lockTimeout: '200ms' };
    await api.patch({ image: NEW, canaryWeight: 10, migrations: shortDeadline });
    await api.reason('MigrationFailed');
    assert.match(api.message(), /lock|interrupted|deadline/i);
    assertOnlyOldServed(load);
    await client.query('ROLLBACK');
    await api.patch({ migrations: { deadline: '1m' } });
    await pcf(api, 'retry', api.name);
    await api.watch.until('10 %', (view) => view?.status?.traffic?.effectiveWeight === 10);

    await pcf(api, 'abort', api.name);
    await api.reason('AbortRequested');
    // Simulates a failover to a replica that lacked the latest transactions.
    await client.query(LOST_IN_A_FAILOVER);
    await client.end();
    await api.patch({ canaryWeight: null });
    await pcf(api, 'retry', api.name);
    await promoted(api);
    await end();
  });

  itAlone('wait for a database that is restarted during a backfill', async () => {
    const { api, load, end } = await startUnderLoad('restarted');
    await seed(api);
    await api.patch({ image: NEW });
    const { progress } = await until(api, 'progress', isFilling);
    assert.ok(progress && progress.rows < ROWS, JSON.stringify(progress));
    assertOnlyOldServed(load);
    await end(false); // without a database no pod is ready
    await sandbox.postgres.stop();
    await sandbox.postgres.restart();
    await sql(api, FULL_PACE);
    await promoted(api);
    assert.equal(migrationOf(api).progress?.rows, ROWS);
    await api.remove();
  });
});
