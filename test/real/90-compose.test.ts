import assert from 'node:assert/strict';
import { request } from 'undici';
import { PATHS } from '../../contract/image.js';
import { eventually } from '../support/cluster/pcf-api.js';
import type { Docker } from './compose/docker.js';
import { documented } from './compose/documented.js';
import { failuresDuring } from './compose/interruptions.js';
import { ComposeProject } from './compose/project.js';
import { sharedDocker } from './compose/shared-docker.js';
import { ask, Lanes } from './load.js';
import { imageOf } from './parts/images.js';

const PAGE = 'docs/install.md';
const URL = 'http://127.0.0.1:8080';
const PASSWORD = 'of-the-scenario';
const SIGNING_KEY = 'a signing key of this scenario only';

const UNAVAILABLE = /HTTP 503 .*SERVICE_UNAVAILABLE/;
/** Connections that no process accepted, and the response before the API has connected to the database. */
const NOT_SERVING = /ECONNREFUSED|ECONNRESET|other side closed|HTTP 503 .*SERVICE_UNAVAILABLE/;
/** The first failures that are not of the expected kind. */
const others = (failures: string[], expected: RegExp) =>
  failures.filter((failure) => !expected.test(failure)).slice(0, 3);

describe('real Docker Compose', function () {
  this.timeout(400_000);
  let project: ComposeProject;
  let key: string;
  const lanes = new Lanes();

  /** Fails if the API rejects the mutation. Returns its data. */
  async function graphql<T>(query: string): Promise<T> {
    const response = await request(`${URL}${PATHS.graphql}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-api-key': key },
      body: JSON.stringify({ query }),
    });
    const { data, errors } = (await response.body.json()) as { data: T; errors?: object[] };
    assert.equal(errors, undefined, JSON.stringify(errors));
    return data;
  }

  const names = async () => {
    type Services = { services: { edges: { node: { name: string } }[] } };
    const { services } = await graphql<Services>('{ services(first: 10) { edges { node { name } } } }');
    return services.edges.map(({ node }) => node.name).sort();
  };
  const create = (name: string) => graphql(`mutation { createService(input: { name: "${name}" }) { id } }`);
  const startedAt = async (service: string) =>
    Date.parse(await project.inspect(service, '{{.State.StartedAt}}'));
  const finishedAt = async (service: string) =>
    Date.parse(await project.inspect(service, '{{.State.FinishedAt}}'));

  /** Runs a script under load. Returns the failed requests. */
  const interrupt = (script: string) =>
    failuresDuring(project, lanes, { url: URL, headers: { 'x-api-key': key } }, script);

  before(() => {
    project = ComposeProject.create(sharedDocker());
  });

  after(() => lanes.stop());

  it('the documented commands start all services of the unmodified compose.yaml', async () => {
    await project.shInRoot(
      documented(PAGE, '## Docker Compose', 0, {
        // The scenario runs as root. Images are present, and are not built from here.
        'sudo ': '',
        ' --build': '',
        // "the same password in both"
        'docker compose up': `sed -i 's/change-me@/${PASSWORD}@/' secrets/settings.toml
sed -i 's/change-me-to.*"/${SIGNING_KEY}"/' secrets/settings.toml
printf ${PASSWORD} > secrets/postgres-password && chmod 0400 secrets/postgres-password
docker compose up`,
        'curl ': 'curl --silent --fail ',
      }),
    );
    const inEachState = await project.sh(
      "docker compose ps --all --format '{{.Service}} {{.State}} {{.Health}} {{.ExitCode}}' | sort",
    );
    assert.deepEqual(inEachState.trim().split('\n'), [
      'api running healthy 0',
      'migrate exited  0',
      'postgres running healthy 0',
      'redis running healthy 0',
      'worker running healthy 0',
    ]);
  });

  it('the migrations finish before the API and the worker start', async () => {
    const migrated = await finishedAt('migrate');
    for (const service of ['api', 'worker']) assert.ok((await startedAt(service)) > migrated, service);
    assert.ok((await startedAt('migrate')) > (await startedAt('postgres')));
  });

  it('secrets are not among the variables, arguments and labels of any container', async () => {
    const inspected = await project.sh('docker inspect $(docker compose ps --all --quiet)');
    for (const secret of [PASSWORD, SIGNING_KEY]) assert.ok(!inspected.includes(secret), secret);
  });

  it('answers a GraphQL query with the first API key', async () => {
    key = (await project.sh(documented(PAGE, '## Docker Compose', 1, { 'exec api': 'exec -T api' }))).trim();
    assert.match(key, /^pcf_\S+$/);
    await create('before');
    assert.deepEqual(await names(), ['before']);
    const anonymous = await ask({ url: URL });
    assert.match(anonymous.text, /UNAUTHENTICATED/);
  });

  it('a restart of the worker fails no request', async () => {
    lanes.add('api', { url: URL, headers: { 'x-api-key': key } });
    assert.deepEqual(await interrupt('docker compose restart worker'), []);
  });

  it('a restart of Redis fails no request', async () => {
    assert.deepEqual(await interrupt('docker compose restart redis'), []);
  });

  it('a restart of PostgreSQL fails requests with an error that clients can retry', async () => {
    const failures = await interrupt('docker compose restart postgres');
    assert.deepEqual(others(failures, UNAVAILABLE), []);
  });

  it('a restart of the only API container shuts it down gracefully; requests fail until it serves', async () => {
    const failures = await interrupt('docker compose restart api');
    assert.notEqual(failures.length, 0);
    assert.deepEqual(others(failures, NOT_SERVING), []);
    assert.match(await project.sh('docker compose logs api'), /"msg":"shut down"/);
  });

  it('an upgrade migrates while the old version serves, then replaces the containers', async () => {
    project.use('1.1.0');
    const old = await startedAt('api');
    const [migrate, up] = documented(PAGE, '### Upgrade', 0, {}).trim().split('\n');
    assert.deepEqual(await interrupt(migrate!), []);
    assert.equal(await startedAt('api'), old);
    assert.deepEqual(others(await interrupt(up!), NOT_SERVING), []);
    assert.equal((await ask({ url: URL, headers: { 'x-api-key': key } })).version, '1.1.0');
    assert.ok((await startedAt('api')) > (await finishedAt('migrate')));
  });

  it('an image that crashes fails the upgrade, and the previous image serves again', async () => {
    project.use('crashing');
    await assert.rejects(project.sh('docker compose up --wait'));
    project.use('1.1.0');
    await project.sh('docker compose up --wait');
    assert.deepEqual(await names(), ['before']);
  });

  it('a restore brings back the data of the backup', async () => {
    await project.sh(documented(PAGE, '### Backup and restore', 0, {}));
    await create('after');
    await project.sh(
      "docker compose exec -T postgres psql -U pcf -c 'CREATE TABLE newer_than_backup ()' pcf",
    );
    await lanes.stop();
    await project.sh(documented(PAGE, '### Backup and restore', 1, {}));
    assert.deepEqual(await names(), ['before']);
    const tables = await project.sh("docker compose exec -T postgres psql -U pcf -Atc '\\dt' pcf");
    assert.match(tables, /schema_migrations/);
    assert.doesNotMatch(tables, /newer_than_backup/);
  });

  it('`docker compose down` keeps the data', async () => {
    await project.sh('docker compose down');
    await project.sh('docker compose up --wait');
    assert.deepEqual(await names(), ['before']);
    await project.sh('docker compose down --volumes');
  });
});

describe('real docker run', function () {
  this.timeout(300_000);
  let docker: Docker;

  before(() => {
    docker = sharedDocker();
  });

  it('the first commands of docs/docker.md serve with one variable', async () => {
    await docker.sh(
      'docker run -d --name db -e POSTGRES_USER=pcf -e POSTGRES_PASSWORD=pcf postgres:18-alpine',
    );
    const ready = () => docker.sh('docker exec db pg_isready --host=127.0.0.1').then(() => true);
    await eventually('PostgreSQL is ready', () => ready().catch(() => false), 60_000, 500);
    const address = await docker.sh("docker inspect --format '{{.NetworkSettings.IPAddress}}' db");
    const script = documented('docs/docker.md', '# Docker', 0, {
      'docker build -f Dockerfile.api --build-arg VERSION=1.0.0 -t pcf-api:1.0.0 .\n': '',
      'pcf-api:1.0.0': imageOf('1.0.0'),
      'pcf:change-me@db.internal': `pcf:pcf@${address.trim()}`,
      'curl ': 'curl --silent --fail --retry 60 --retry-delay 1 --retry-all-errors ',
    });
    assert.match(await docker.sh(script, { cwd: docker.folder }), /"status":"ready"/);
    const create = documented('docs/docker.md', '# Docker', 1, {});
    const key = (await docker.sh(create)).trim();
    const { status, version, text } = await ask({ url: URL, headers: { 'x-api-key': key } });
    assert.deepEqual({ status, version }, { status: 200, version: '1.0.0' });
    assert.match(text, /"edges":\[\]/);
    await docker.sh('docker stop --time 45 pcf-api');
    assert.equal((await docker.sh("docker inspect --format '{{.State.ExitCode}}' pcf-api")).trim(), '0');
  });
});
