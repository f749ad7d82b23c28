/** What people see, what requests notice, and how it heals, when something happens to the migrations of a delivery. */
import assert from 'node:assert/strict';
import { it as itAlone } from 'mocha';
import { Client } from 'pg';
import { JobKind, PodKind, SecretKind } from '../../../operator/resources/kinds.js';
import { LABELS } from '../../../operator/resources/metadata.js';
import type { Sandbox } from '../../../sandbox/sandbox.js';
import { Load } from '../../../sandbox/story/load.js';
import type { PcfApiView } from '../../../sandbox/story/pcfapi-watch.js';
import { seedServices } from '../../../sandbox/story/split/seed.js';
import { itConcurrently as it } from '../../support/it-concurrently.js';
import { FULL_PACE, paceRows } from '../../support/paced-rows.js';
import { eventually, image, TestApi } from '../../support/pcf-api.js';
import { newTenant, START_TIMEOUT_MS, sharedSandbox } from '../../support/sandbox.js';

type Migration = NonNullable<NonNullable<PcfApiView['status']>['migration']>;

const NEW = image('2.0.0');
/** The first batch takes five seconds, and all of them more than any test waits: each lets go when it is done. */
const ROWS = 20_000;
const SECONDS_PER_ROW = 0.01;

/** A database that is away, or full, is told of at once. */
const IMPATIENT = { migrations: { connect_wait: '100ms' } };
/** What PostgreSQL says then, of every statement that needs more room. */
const FULL_DISK = `
  CREATE FUNCTION full_disk() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN
    RAISE EXCEPTION 'could not extend file "base/1/1": No space left on device' USING ERRCODE = 'disk_full';
  END$$;
  CREATE EVENT TRIGGER full_disk ON ddl_command_start WHEN TAG IN ('ALTER TABLE', 'CREATE TABLE') EXECUTE FUNCTION full_disk();`;
/** The migrations of version 2 were never there. */
const LOST_IN_A_FAILOVER = `
  DROP TRIGGER services_sync_repository ON services;
  DROP FUNCTION services_sync_repository;
  ALTER TABLE services DROP COLUMN repository_url, DROP COLUMN repository_branch;
  DELETE FROM schema_migrations WHERE name LIKE '%RepositoryParts%';
  DELETE FROM schema_backfills WHERE name LIKE '%RepositoryParts%';`;

describe('a delivery whose migrations meet trouble', function () {
  this.timeout(300_000);
  let sandbox: Sandbox;

  before(async function () {
    this.timeout(START_TIMEOUT_MS);
    sandbox = await sharedSandbox();
  });
  /** The other tests only wait a little longer when the operator is killed. */
  const killsOperator = { group: 'kills the operator' };

  const seen = (api: TestApi): Partial<Migration> => api.status.migration ?? {};
  /** Returns the status that met the check: a moment later there may be another one. */
  const until = async (api: TestApi, what: string, check: (migration: Partial<Migration>) => boolean) => {
    let met: Partial<Migration> | undefined;
    const look = (view: PcfApiView | undefined) => {
      const migration = view?.status?.migration ?? {};
      if (check(migration)) met ??= migration;
      return met !== undefined;
    };
    await api.watch.until(what, look, 120_000);
    return met!;
  };
  const isPromoted = (view: PcfApiView | undefined) =>
    view?.status?.phase === 'Ready' && view.status.stableImage === NEW;
  const promoted = (api: TestApi) => api.watch.until('promoted', isPromoted, 150_000);
  const isFilling = ({ summary = '' }: Partial<Migration>) => /^Backfill [1-9]\d*%$/.test(summary);
  const pcf = (api: TestApi, ...args: string[]) => sandbox.kubectlPcf([...args, '-n', api.namespace]);
  /** A stable version 1.0.0 that is asked all the time; `end` tells which requests failed. */
  const served = async (prefix: string, spec: object = {}) => {
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
  /** Nothing but the old version has answered. */
  const onlyOld = ({ total }: Load) => assert.deepEqual(Object.keys(total.served), ['1.0.0']);

  it(
    'tells how far a backfill is, and continues where it was though runner and operator are killed',
    killsOperator,
    async () => {
      const { api, load, end } = await served('progress', { replicas: 1 });
      await seed(api);
      await api.patch({ image: NEW });
      const { progress, job = '' } = await until(api, 'progress', isFilling);
      assert.ok(progress && progress.rows > 0 && progress.rows < ROWS, JSON.stringify(progress));
      assert.ok(progress.rowsPerSecond > 0 && (progress.secondsLeft ?? -1) >= 0);
      assert.match(await pcf(api, 'status', api.name), /% of about \d+ rows, \d+ rows\/s, \d+[smh] left/);
      assert.match(await pcf(api, 'migrate', 'status', api.name), /backfill +\S+ \d+ % of about \d+ rows/);
      const column = await sandbox.parts.kubectl.run(['get', 'pcf', api.name, '-n', api.namespace]);
      assert.match(column, /Backfill \d+%/);
      onlyOld(load);

      await sandbox.parts.kubectl.run([
        ...['delete', 'pods', '-n', api.namespace, '-l', `batch.kubernetes.io/job-name=${job}`],
        ...['--force', '--grace-period=0'],
      ]);
      await sandbox.operator.kill();
      await sandbox.operator.restart();
      await until(api, 'it went on', ({ progress: now }) => (now?.rows ?? 0) > progress.rows);
      await sql(api, FULL_PACE);
      await promoted(api);
      assert.equal(seen(api).progress?.rows, ROWS, 'no row was counted twice');
      assert.equal(seen(api).summary, 'Succeeded');
      await end();
    },
  );

  it('names the session that has the lock of a table, and continues once that has ended', async () => {
    const { api, load, end } = await served('locked', { migrations: { lockTimeout: '300ms' } });
    const holder = new Client({
      connectionString: sandbox.postgres.url(api.namespace),
      application_name: 'a long report',
    });
    await holder.connect();
    await holder.query('BEGIN');
    await holder.query('SELECT count(*) FROM services');
    const [{ pid }] = (await holder.query('SELECT pg_backend_pid() AS pid')).rows as [{ pid: number }];
    await api.patch({ image: NEW });
    const locked = await until(api, 'the holder is named', ({ lockHolder }) => lockHolder?.pid === pid);
    assert.equal(locked.summary, 'Expand locked');
    assert.equal(locked.lockHolder?.application, 'a long report');
    const named = new RegExp(
      `waits for a session that has the lock of a table: pid ${pid} \\(a long report, \\w+\\), for`,
    );
    await eventually('the status names it', async () => named.test(await pcf(api, 'status', api.name)));
    assert.equal(api.status.traffic?.effectiveWeight, 0);
    onlyOld(load);
    await holder.query('COMMIT');
    await holder.end();
    await promoted(api);
    assert.equal(seen(api).lockHolder, undefined);
    await end();
  });

  it('says what PostgreSQL said of wrong credentials, of used-up connections and of a full disk, and continues once that is fixed', async () => {
    const { api, load, end } = await served('credentials');
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
    /** Each try comes twice as long after the one before, 10 s at first. */
    const says = async (message: RegExp) => {
      const isTold = () => message.test(api.message()) && api.status.reason === 'MigrationRetrying';
      await api.watch.until(`${message}`, isTold, 150_000);
      onlyOld(load);
    };
    await secret('wrong');
    await api.patch({ image: NEW, database: { secretRef: { name: 'other' } }, config: IMPATIENT });
    await says(/password authentication failed/);
    assert.equal(api.message().includes('wrong'), false);
    await secret('right');
    await says(/too many connections for role/);
    await database.query(FULL_DISK);
    await database.query(`ALTER ROLE ${role} CONNECTION LIMIT -1`);
    await says(/No space left on device/);
    await database.query('DROP EVENT TRIGGER full_disk');
    await database.end();
    await promoted(api);
    assert.ok(await api.get(SecretKind, 'other'));
    await end();
  });

  it('gives up an image that knows no phases, says why, and leaves the stable one alone', async () => {
    const { api, load, end } = await served('phases');
    await api.patch({ image: image('without-phases'), canaryWeight: 50 });
    await api.reason('MigrationFailed', 60_000);
    assert.match(
      api.message(),
      /does not support `migrate up --phase`: use a newer image, or migrations.mode Disabled/,
    );
    onlyOld(load);
    await api.patch({ image: NEW, canaryWeight: null });
    await promoted(api);
    await end();
  });

  it('runs once more what nobody heard the end of, and finds nothing to do', killsOperator, async () => {
    const { api, load, end } = await served('unheard');
    const holder = new Client({ connectionString: sandbox.postgres.url(api.namespace) });
    await holder.connect();
    await holder.query('BEGIN');
    await holder.query('LOCK TABLE services IN ACCESS SHARE MODE'); // it can't end before the operator does
    await api.patch({ image: NEW });
    await api.watch.until('a new revision', (view) => view?.status?.updateImage === NEW);
    const revision = api.status.updateRevision;
    const expand = async () =>
      (await api.owned(JobKind)).filter(
        ({ metadata }) =>
          metadata.labels?.[LABELS.stage] === 'expand' && metadata.labels?.[LABELS.revision] === revision,
      );
    await eventually('the Job is there', async () => (await expand()).length === 1);
    await sandbox.operator.kill();
    await holder.query('COMMIT');
    await holder.end();
    const succeeded = async () => {
      const [job] = await expand();
      return (job?.status as { succeeded?: number } | undefined)?.succeeded === 1;
    };
    await eventually('it succeeded', succeeded, 60_000);
    for (const { metadata } of await api.owned(PodKind))
      if (metadata.labels?.['app.kubernetes.io/component'] === 'migration')
        await sandbox.parts.client.delete(PodKind, api.namespace, metadata.name, { gracePeriodSeconds: 0 });
    onlyOld(load);
    await sandbox.operator.restart();
    await promoted(api);
    const names = (await expand()).map(({ metadata }) => metadata.name).sort();
    assert.equal(names.length, 2, names.join());
    await end();
  });

  it('stops a backfill that nobody waits for any more, so that a hotfix need not, and continues with it later', async () => {
    const { api, end } = await served('hotfix', { replicas: 1 });
    await seed(api);
    const backfills = async () =>
      (await api.owned(JobKind)).filter(({ metadata }) => metadata.labels?.[LABELS.stage] === 'backfill');
    await api.patch({ image: NEW });
    const { progress: before } = await until(api, 'rows are filled', isFilling);
    assert.ok(before && before.rows > 0 && before.rows < ROWS, JSON.stringify(before));
    const hotfix = image('1.1.0');
    await api.patch({ image: hotfix });
    await api.watch.until(
      'the hotfix is promoted',
      ({ status } = {} as PcfApiView) => status?.phase === 'Ready' && status.stableImage === hotfix,
      120_000,
    );
    await eventually('it is stopped', async () => (await backfills()).length === 0);

    await api.patch({ image: NEW });
    const more = (migration: Partial<Migration>) =>
      isFilling(migration) && (migration.progress?.rows ?? 0) > before.rows;
    await until(api, 'more rows are filled', more);
    await pcf(api, 'abort', api.name);
    await api.reason('AbortRequested');
    await eventually('it is stopped again', async () => (await backfills()).length === 0);
    await sql(api, FULL_PACE);
    await pcf(api, 'retry', api.name);
    await promoted(api);
    assert.equal(seen(api).progress?.rows, ROWS, 'no row was filled twice');

    await sandbox.parts.kubectl.run([
      ...['delete', 'jobs,pods', '-n', api.namespace, '-l', 'app.kubernetes.io/component=migration'],
      ...['--force', '--grace-period=0'],
    ]);
    const later = await until(api, 'its Jobs are deleted', ({ job }) => job === undefined);
    assert.equal(later.progress?.rows, ROWS, 'the final figure outlives Jobs and pods');
    await end();
  });

  it('gives up what takes longer than its deadline, and heals a database that lost what was done when asked to try again', async () => {
    const { api, load, end } = await served('deadline');
    const client = new Client({ connectionString: sandbox.postgres.url(api.namespace) });
    await client.connect();
    await client.query('BEGIN');
    await client.query('LOCK TABLE services IN ACCESS SHARE MODE');
    const hasty = { deadline: '5s', lockTimeout: '200ms' };
    await api.patch({ image: NEW, canaryWeight: 10, migrations: hasty });
    await api.reason('MigrationFailed', 60_000);
    assert.match(api.message(), /lock|interrupted|deadline/i);
    onlyOld(load);
    await client.query('ROLLBACK');
    await api.patch({ migrations: { deadline: '1m' } });
    await pcf(api, 'retry', api.name);
    await api.watch.until('10 %', (view) => view?.status?.traffic?.effectiveWeight === 10, 60_000);

    await pcf(api, 'abort', api.name);
    await api.reason('AbortRequested');
    // What a replica did not have yet when it became the primary.
    await client.query(LOST_IN_A_FAILOVER);
    await client.end();
    await api.patch({ canaryWeight: null });
    await pcf(api, 'retry', api.name);
    await promoted(api);
    await end();
  });

  itAlone('waits for a database that is restarted in the middle of a backfill', async () => {
    const { api, load, end } = await served('restarted');
    await seed(api);
    await api.patch({ image: NEW });
    const { progress } = await until(api, 'progress', isFilling);
    assert.ok(progress && progress.rows < ROWS, JSON.stringify(progress));
    onlyOld(load);
    await end(false); // without a database nobody is ready
    await sandbox.postgres.stop();
    await sandbox.postgres.restart();
    await sql(api, FULL_PACE);
    await promoted(api);
    assert.equal(seen(api).progress?.rows, ROWS);
    await api.remove();
  });
});
