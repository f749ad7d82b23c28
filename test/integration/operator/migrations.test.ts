import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Client } from 'pg';
import { EXIT, imageDescriptionSchema } from '../../../contract/image.js';
import {
  BackupKind,
  ControllerRevisionKind,
  DeploymentKind,
  JobKind,
  PcfApiKind,
  VolumeSnapshotKind,
} from '../../../operator/resources/kinds.js';
import type { KubeObject, ResourceType } from '../../../operator/runtime/kube-types.js';
import { customResourceDefinitions } from '../../../sandbox/crds.js';
import { buildImage } from '../../../sandbox/images.js';
import type { Sandbox } from '../../../sandbox/sandbox.js';
import { Load } from '../../../sandbox/story/load.js';
import type { PcfApiView } from '../../../sandbox/story/pcfapi-watch.js';
import { SPLIT_MIGRATIONS } from '../../../sandbox/story/split/images.js';
import { seedServices } from '../../../sandbox/story/split/seed.js';
import { eventually, image, TestApi } from '../../support/cluster/pcf-api.js';
import { newTenant, START_TIMEOUT_MS, sharedSandbox } from '../../support/cluster/sandbox.js';
import { itConcurrently as it } from '../../support/runner/it-concurrently.js';
import { runRole } from '../api-server/api-process.js';
import { createLostPod } from './lost-pod.js';

type Migration = NonNullable<NonNullable<PcfApiView['status']>['migration']>;

const OLD = image('1.0.0');
const NEW = image('2.0.0');
/** Old pods are deleted 1 s after they lost their traffic. */
const strategy = { type: 'Canary', canary: { scaleDownDelay: '1s' } };

describe('migrations run by the operator', () => {
  let sandbox: Sandbox;

  before(async function () {
    this.timeout(START_TIMEOUT_MS);
    sandbox = await sharedSandbox();
  });

  const until = (api: TestApi, what: string, check: (migration: Migration) => boolean) =>
    api.watch.until(what, (view) => check(view?.status?.migration ?? { state: 'none' }), 90_000);
  const promoted = (api: TestApi, expected: string) =>
    api.watch.until(
      `${expected} promoted`,
      (view) => view?.status?.phase === 'Ready' && view.status.stableImage === expected,
      90_000,
    );
  const pcf = (api: TestApi, ...args: string[]) => sandbox.kubectlPcf([...args, '-n', api.namespace]);
  const sql = async <T>(api: TestApi, text: string): Promise<T[]> => {
    const client = new Client({ connectionString: sandbox.postgres.url(api.namespace) });
    await client.connect();
    return client
      .query(text)
      .then(({ rows }) => rows)
      .finally(() => client.end());
  };
  const hasOldColumn = async (api: TestApi) =>
    (
      await sql(
        api,
        "SELECT 1 FROM information_schema.columns WHERE table_name = 'services' AND column_name = 'repository'",
      )
    ).length === 1;
  const jobs = async (api: TestApi) =>
    (await api.owned(JobKind)).map(({ metadata }) => metadata.name.replace(/^api-[a-z0-9]+-/, '')).sort();

  it('expand, backfill, soak and contract although the operator is killed in the soak, then a rollback is rejected', async () => {
    const api = await TestApi.create(sandbox, await newTenant(sandbox, 'contract'), {
      strategy,
      migrations: { contractDelay: '1h' },
    });
    await api.ready();
    assert.deepEqual(await jobs(api), ['expand'], 'an image without a backfill needs one Job');
    await seedServices(sandbox.postgres.url(api.namespace), 2_000);
    const old = api.status.stableRevision;

    await api.patch({ image: NEW });
    await promoted(api, NEW);
    assert.deepEqual(api.status.migration?.applied, [SPLIT_MIGRATIONS.expand, SPLIT_MIGRATIONS.backfill]);
    assert.equal(api.status.migration?.progress?.rows, 2_000);
    assert.deepEqual(api.status.migration?.pending, [{ name: SPLIT_MIGRATIONS.contract, phase: 'contract' }]);
    const isSoaking = () =>
      /contract waits for the soak of 3600 s to end/.test(api.message('MigrationsApplied'));
    await api.watch.until('contract waits for the soak', isSoaking);
    await sandbox.operator.kill();
    await sandbox.operator.restart();
    assert.equal(await hasOldColumn(api), true);

    await api.patch({ migrations: { contractDelay: '0s' } });
    await until(api, 'contracted', ({ rollbackFloor, pending }) => rollbackFloor !== undefined && !pending);
    assert.equal(await hasOldColumn(api), false);
    assert.equal(
      api.status.migration?.progress?.rows,
      2_000,
      'the final progress of the backfill is retained',
    );
    assert.equal(api.status.migration?.rollbackFloor?.revision, api.status.stableRevision);
    assert.deepEqual(await jobs(api), ['backfill', 'contract', 'expand', 'expand']);

    await assert.rejects(pcf(api, 'undo', api.name), ({ stderr }: { stderr: string }) => {
      assert.match(
        stderr,
        new RegExp(`undo rejected: ${old} .* needs what ${SPLIT_MIGRATIONS.contract} dropped`),
      );
      return true;
    });
    await api.patch({ image: OLD });
    await api.reason('BelowRollbackFloor');
    assert.match(api.message(), /a rollback would not restore that data/);
    assert.equal(api.status.stableImage, NEW);
    await eventually('an Event reports the rejection', async () => {
      const events = await sandbox.parts.kubectl.run([
        'get',
        'events',
        '-n',
        api.namespace,
        '-o',
        'jsonpath={.items[*].message}',
      ]);
      return events.includes(`rejected: ${old}`);
    });
    await api.patch({ image: NEW });
    await api.ready();
    await api.remove();
  });

  it('wait for approval before expand and before contract in mode Manual', async () => {
    const api = await TestApi.create(sandbox, await newTenant(sandbox, 'manual'), {
      strategy,
      migrations: { mode: 'Manual', contractDelay: '0s' },
    });
    await api.reason('ApprovalNeeded');
    assert.match(await pcf(api, 'migrate', 'plan', api.name), /^PHASE +MIGRATION +LINT\nexpand +\S+ +ok\b/);
    assert.deepEqual(await jobs(api), ['plan']);
    assert.match(await pcf(api, 'migrate', 'approve', api.name), /approved api-\S+\/expand/);
    await api.ready();
    await assert.rejects(pcf(api, 'migrate', 'approve', api.name), /no migration of api waits for approval/);

    await api.patch({ image: NEW });
    await api.reason('ApprovalNeeded');
    await pcf(api, 'migrate', 'approve', api.name);
    await promoted(api, NEW);
    await until(
      api,
      'contract requires approval',
      ({ approval }) => approval?.endsWith('/contract/1') ?? false,
    );
    assert.equal(await hasOldColumn(api), true);
    await pcf(api, 'migrate', 'approve', api.name);
    await until(api, 'contracted', ({ rollbackFloor, pending }) => rollbackFloor !== undefined && !pending);
    assert.match(await pcf(api, 'migrate', 'status', api.name), /rollback to +api-\S+ \(.*:2\.0\.0\)/);
    await api.remove();
  });

  it('contract after the last old pod terminated and the backup succeeded, with a new backup per attempt', async () => {
    const backup = (...args: string[]) => ({ job: { image: OLD, args } });
    const api = await TestApi.create(sandbox, await newTenant(sandbox, 'backup'), {
      strategy,
      migrations: { contractDelay: '0s', beforeContract: backup('no-such-command') },
      revisionHistoryLimit: 0,
    });
    const approve = () => pcf(api, 'migrate', 'approve', api.name);
    const awaitFailure = (attempt: number) =>
      until(
        api,
        `attempt ${attempt - 1} failed`,
        ({ approval }) => approval?.endsWith(`/contract/${attempt}`) ?? false,
      );
    await api.ready();
    await sql(api, 'CREATE VIEW report AS SELECT repository FROM services');
    const old = api.status.stableRevision ?? '';
    const lost = await createLostPod(sandbox.parts, api, old);
    await api.patch({ image: NEW });
    await promoted(api, NEW);
    await eventually('the old Deployment is deleted', async () => !(await api.get(DeploymentKind, old)));
    await sandbox.parts.client.delete(ControllerRevisionKind, api.namespace, old);
    await eventually(
      'the old ControllerRevision is deleted',
      async () => !(await api.get(ControllerRevisionKind, old)),
    );
    await until(
      api,
      'contract waits for the last old pod',
      ({ waitingFor }) => waitingFor === `the last pod of ${old} to terminate`,
    );
    assert.ok(!(await jobs(api)).some((stage) => stage === 'contract' || stage === 'hook'));
    await lost.remove();
    await awaitFailure(2);
    assert.match(api.message('Degraded'), /beforeContract of api-\S+ failed: .*kubectl pcf migrate approve/);
    await api.patch({ migrations: { beforeContract: backup('describe', '--json') } });
    await approve();
    await api.watch.until('contract failed', () =>
      api.message('Degraded').includes('contract migrations of'),
    );
    assert.match(api.message('Degraded'), /other objects depend on it.*kubectl pcf migrate approve/);
    assert.equal(await hasOldColumn(api), true);
    await sql(api, 'DROP VIEW report');

    const { client, kubectl } = sandbox.parts;
    const only = async (kind: ResourceType) => {
      await eventually(`the API server has ${kind.plural}`, () => client.serves(kind));
      await eventually(`one ${kind.kind} exists`, async () => (await api.owned(kind)).length === 1);
      return (await api.owned(kind))[0]!;
    };
    const setStatus = (kind: ResourceType, { metadata }: KubeObject, status: object) =>
      client.patch(kind, api.namespace, metadata.name, { status }, { subresource: 'status' });
    const volumeSnapshot = { persistentVolumeClaimName: 'data-postgres-0' };
    await api.patch({ migrations: { beforeContract: { job: null, volumeSnapshot } } });
    await approve();
    const snapshot = await only(VolumeSnapshotKind);
    assert.deepEqual(snapshot.spec, { source: volumeSnapshot });
    await setStatus(VolumeSnapshotKind, snapshot, {
      readyToUse: false,
      error: { message: 'the volume is busy' },
    });
    await api.watch.until('the error of the snapshot is reported', () =>
      api.message('Degraded').includes('the volume is busy'),
    );
    assert.equal(await hasOldColumn(api), true);

    const name = 'backups.postgresql.cnpg.io';
    await kubectl.run(['delete', 'crd', name]);
    // The approved attempt number has no backup of the other kind yet.
    await api.patch({ migrations: { beforeContract: { volumeSnapshot: null, backup: { cluster: 'pg' } } } });
    await api.watch.until('the missing CRD is reported', () =>
      api.message('Degraded').includes('install CloudNativePG'),
    );
    const crds = await customResourceDefinitions('cloudNativePg');
    await kubectl.apply(JSON.stringify(crds[0]), '--server-side');
    const createdBackup = await only(BackupKind);
    await setStatus(BackupKind, createdBackup, { phase: 'running' });
    await until(
      api,
      'contract waits for the backup',
      ({ waitingFor }) => waitingFor === 'beforeContract to succeed',
    );
    assert.equal(await hasOldColumn(api), true);
    const twoHoursAgo = new Date(Date.now() - 7_200_000).toISOString();
    await setStatus(BackupKind, createdBackup, { phase: 'completed', stoppedAt: twoHoursAgo });
    const newer = async () =>
      (await api.owned(BackupKind)).find(({ metadata }) => metadata.name !== createdBackup.metadata.name);
    await eventually('an outdated backup is made again', async () => (await newer()) !== undefined);
    assert.equal(await hasOldColumn(api), true);
    await setStatus(BackupKind, (await newer())!, { phase: 'completed' });
    await until(api, 'contracted', ({ rollbackFloor, pending }) => rollbackFloor !== undefined && !pending);
    await api.remove();
    assert.ok(
      (await only(VolumeSnapshotKind)) && (await newer()),
      'backups are retained after the PcfApi is deleted',
    );
  });

  it('hold the weight at 0 while clients use what the new GraphQL schema removes, until it is approved', async () => {
    const graphqlSchema = readFileSync('api-server/schema.graphql', 'utf8').replace(
      /(type Service [^}]*?)\n {2}owner: String\n/,
      '$1\n  formerOwner: String\n',
    );
    buildImage(`${sandbox.stateDir}/images`, { name: 'pcf-api', tag: 'without-owner', graphqlSchema });
    const namespace = await newTenant(sandbox, 'schema');
    const api = await TestApi.create(sandbox, namespace, {
      strategy,
      config: { schema_usage: { flush: '1s' } },
    });
    await api.ready();
    const load = new Load({
      ...{ port: sandbox.gatewayPort, host: `${namespace}.example.com`, caPath: sandbox.gateway.caPath },
      query: '{ services(first: 1) { edges { node { owner } } } }',
      headers: { 'apollographql-client-name': 'dashboard' },
      workers: 1,
      pauseMs: 100,
    });
    load.start();
    const isUsed = async () =>
      (await sql(api, "SELECT 1 FROM schema_usage WHERE coordinate = 'Service.owner'")).length > 0;
    await eventually('the use is recorded', isUsed);

    await api.patch({ image: image('without-owner') });
    await api.reason('SchemaInUse');
    await load.stop();
    assert.match(
      api.message(),
      /stays at 0 since .*: Service.owner was removed, and is used by \S+ \(dashboard\), last at .*; to deliver it anyway: kubectl pcf schema approve api --reason "\.\.\."$/,
    );
    assert.deepEqual([api.status.traffic?.desiredWeight, api.status.traffic?.effectiveWeight], [100, 0]);
    const shown = await pcf(api, 'schema', 'diff', api.name);
    assert.match(shown, /its weight stays at 0\n.*\nService.owner was removed +\S+ +dashboard/);
    await pcf(api, 'schema', 'approve', api.name, '--reason', 'the dashboard is retired');
    await promoted(api, image('without-owner'));
    const { annotations = {} } = (await api.get(PcfApiKind))!.metadata;
    const note = JSON.parse(annotations['pcf.dev/approve-schema-note'] ?? '{}');
    assert.deepEqual([note.reason, typeof note.by], ['the dashboard is retired', 'string']);
    await api.remove();
  });

  it('report the remedy for a database without migration records, and the version for a database that is ahead', async () => {
    const before = await newTenant(sandbox, 'baseline');
    const env = { PCF_API__DATABASE__URL: sandbox.postgres.url(before) };
    assert.equal((await runRole(['migrate', 'up', '--json'], env)).code, EXIT.ok);
    const client = new Client({ connectionString: sandbox.postgres.url(before) });
    await client.connect();
    await client.query('DROP TABLE schema_migrations').finally(() => client.end());
    const api = await TestApi.create(sandbox, before);
    await api.reason('MigrationRefused');
    assert.match(api.message(), /no record of migrations; .*`migrate baseline <name>`/);
    assert.deepEqual((await api.owned(ControllerRevisionKind)).length, 1);
    const { stdout } = await runRole(['describe', '--json']);
    const newest = imageDescriptionSchema.parse(JSON.parse(stdout)).migrations.at(-1)?.name ?? '';
    assert.equal((await runRole(['migrate', 'baseline', newest], env)).code, EXIT.ok);
    await pcf(api, 'retry', api.name);
    await api.ready();
    assert.deepEqual(await jobs(api), ['expand', 'expand-2']);
    await api.remove();

    const ahead = await TestApi.create(sandbox, await newTenant(sandbox, 'ahead'), {
      image: NEW,
      strategy,
      migrations: { contractDelay: '0s' },
    });
    await until(ahead, 'contracted', ({ rollbackFloor, pending }) => rollbackFloor !== undefined && !pending);
    const { namespace } = ahead;
    await ahead.remove();
    const late = await TestApi.create(sandbox, namespace);
    await late.reason('MigrationRefused');
    assert.match(
      late.message(),
      /the database is ahead: DropRepository\d+ was applied, which needs version 2\.0\.0/,
    );
    await late.remove();
  });
});
