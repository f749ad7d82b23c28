/** What people see, what requests notice, and how it heals, when something happens to the migrations of a delivery. */
import assert from 'node:assert/strict';
import { Client } from 'pg';
import { JobKind, PodKind, SecretKind } from '../../../operator/resources/kinds.js';
import { LABELS } from '../../../operator/resources/metadata.js';
import type { Sandbox } from '../../../sandbox/sandbox.js';
import { Load } from '../../../sandbox/story/load.js';
import type { PcfApiView } from '../../../sandbox/story/pcfapi-watch.js';
import { seedServices } from '../../../sandbox/story/split/seed.js';
import { eventually, image, TestApi } from '../../support/pcf-api.js';
import { newTenant, START_TIMEOUT_MS, sharedSandbox } from '../../support/sandbox.js';

type Migration = NonNullable<NonNullable<PcfApiView['status']>['migration']>;

const NEW = image('2.0.0');
const ROWS = 5_000;
/** A row takes a millisecond at least, however fast the machine: a backfill of several seconds. */
const SLOW_ROWS = `
  CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM pg_sleep(0.001); RETURN NEW; END$$;
  CREATE TRIGGER slow BEFORE UPDATE ON services FOR EACH ROW EXECUTE FUNCTION slow();`;

describe('a delivery whose migrations meet trouble', function () {
  this.timeout(120_000);
  let sandbox: Sandbox;

  before(async function () {
    this.timeout(START_TIMEOUT_MS);
    sandbox = await sharedSandbox();
  });

  const seen = (api: TestApi): Partial<Migration> => api.status.migration ?? {};
  const until = (api: TestApi, what: string, check: (migration: Partial<Migration>) => boolean) =>
    api.watch.until(what, (view) => check(view?.status?.migration ?? {}), 60_000);
  const promoted = (api: TestApi) =>
    api.watch.until(
      'promoted',
      (view) => view?.status?.phase === 'Ready' && view.status.stableImage === NEW,
      90_000,
    );
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
  const seed = async (api: TestApi) => {
    const url = sandbox.postgres.url(api.namespace);
    await seedServices(url, ROWS);
    const client = new Client({ connectionString: url });
    await client.connect();
    await client.query(SLOW_ROWS);
    await client.end();
  };
  /** Nothing but the old version has answered. */
  const onlyOld = ({ total }: Load) => assert.deepEqual(Object.keys(total.served), ['1.0.0']);

  it('tells how far a backfill is, and goes on where it was though runner and operator are killed', async () => {
    const { api, load, end } = await served('progress', { replicas: 1 });
    await seed(api);
    await api.patch({ image: NEW });
    await until(api, 'progress', ({ summary = '' }) => /^Backfill [1-9]\d*%$/.test(summary));
    const { progress, job = '' } = seen(api);
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
    await promoted(api);
    assert.equal(seen(api).progress?.rows, ROWS, 'no row was counted twice');
    assert.equal(seen(api).summary, 'Succeeded');
    await end();
  });

  it('names the session that has the lock of a table, and goes on once that has ended', async () => {
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
    await until(api, 'the holder is named', ({ lockHolder }) => lockHolder?.pid === pid);
    assert.equal(seen(api).summary, 'Expand locked');
    assert.equal(seen(api).lockHolder?.application, 'a long report');
    assert.match(
      await pcf(api, 'status', api.name),
      new RegExp(
        `waits for a session that has the lock of a table: pid ${pid} \\(a long report, \\w+\\), for`,
      ),
    );
    assert.equal(api.status.traffic?.effectiveWeight, 0);
    onlyOld(load);
    await holder.query('COMMIT');
    await holder.end();
    await promoted(api);
    assert.equal(seen(api).lockHolder, undefined);
    await end();
  });

  it('says what PostgreSQL said of wrong credentials, and goes on once the Secret is right', async () => {
    const { api, load, end } = await served('credentials');
    const url = sandbox.postgres.url(api.namespace);
    const secret = (databaseUrl: string) => ({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'other', namespace: api.namespace },
      stringData: { 'database-url': databaseUrl },
    });
    await sandbox.parts.kubectl.apply([secret(url.replace(/:[^:@]+@/, ':wrong@'))]);
    await api.patch({ image: NEW, database: { secretRef: { name: 'other' } } });
    await api.reason('MigrationRetrying');
    assert.match(api.message(), /password authentication failed/);
    assert.equal(api.message().includes('wrong'), false);
    onlyOld(load);
    await sandbox.parts.kubectl.apply([secret(url)]);
    await promoted(api);
    assert.ok(await api.get(SecretKind, 'other'));
    await end();
  });

  it('gives up an image that knows no phases, says why, and leaves the stable one alone', async () => {
    const { api, load, end } = await served('phases');
    await api.patch({ image: image('without-phases'), canaryWeight: 50 });
    await api.reason('MigrationFailed');
    assert.match(
      api.message(),
      /does not take `migrate up --phase`.*use a newer one, or migrations.mode Disabled/,
    );
    onlyOld(load);
    await api.patch({ image: NEW, canaryWeight: null });
    await promoted(api);
    await end();
  });

  it('runs once more what nobody heard the end of, and finds nothing to do', async () => {
    const { api, load, end } = await served('unheard');
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
    await eventually('it succeeded', async () => {
      const [job] = await expand();
      return (job?.status as { succeeded?: number } | undefined)?.succeeded === 1;
    });
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

  it('waits for a database that is restarted in the middle of a backfill', async () => {
    const { api, load, end } = await served('restarted');
    await seed(api);
    await api.patch({ image: NEW });
    await until(api, 'progress', ({ progress }) => (progress?.rows ?? 0) > 0);
    const { rows = 0 } = seen(api).progress ?? {};
    onlyOld(load);
    await end(false); // without a database nobody is ready
    await sandbox.postgres.stop();
    await sandbox.postgres.restart();
    await promoted(api);
    assert.equal(seen(api).progress?.rows, ROWS);
    assert.ok(rows < ROWS);
    await api.remove();
  });
});
