import assert from 'node:assert/strict';
import { Agent, request } from 'undici';
import { PATHS } from '../../contract/image.js';
import { eventually } from '../support/cluster/pcf-api.js';
import { documented } from './compose/documented.js';
import { failuresDuring } from './compose/interruptions.js';
import { ComposeProject } from './compose/project.js';
import { sharedDocker } from './compose/shared-docker.js';
import { ask, Lanes, type Target } from './load.js';

const PAGE = 'docs/install.md';
const URL = 'https://localhost';
const PASSWORD = 'of-the-scenario';

describe('real Docker Compose, profile ha', function () {
  this.timeout(400_000);
  let project: ComposeProject;
  let target: Target;
  const lanes = new Lanes();

  /** Runs a script under load. Returns the failed requests. */
  const interrupt = (script: string) => failuresDuring(project, lanes, target, script);
  const redisRole = async (service: string) =>
    (await project.sh(`docker compose exec -T ${service} redis-cli role`)).split('\n')[0];
  const sql = async (service: string, statement: string) =>
    (await project.sh(`docker compose exec -T ${service} psql -U pcf -Atc '${statement}' pcf`)).trim();
  const replicas = () => sql('postgres', 'SELECT count(*) FROM pg_stat_replication');

  before(async () => {
    project = ComposeProject.create(sharedDocker());
    await project.sh(`cp secrets/settings.ha.example.toml secrets/settings.toml
sed -i 's/change-me@/${PASSWORD}@/; s/change-me-to.*"/a signing key of this scenario only"/' secrets/settings.toml
chown 1001 secrets/settings.toml && chmod 0400 secrets/settings.toml
printf ${PASSWORD} > secrets/postgres-password && chmod 0400 secrets/postgres-password`);
    await project.sh(documented(PAGE, '### Gateway with TLS', 0, {}));
  });

  after(async () => {
    await lanes.stop();
    await project?.sh('docker compose down --volumes');
  });

  it('the documented commands start the gateway, three API containers and all replicas', async () => {
    const start = documented(PAGE, '### Gateway with TLS', 1, {
      'sudo ': '',
      'COMPOSE_PROFILES=gateway': 'COMPOSE_PROFILES=ha',
      'curl ': 'curl --silent --fail ',
    });
    assert.match(await project.sh(start), /"status":"ready"/);
    const create =
      'docker compose exec -T api node dist/api-server/main.js key create --name me --role admin';
    const key = (await project.sh(create)).trim();
    target = { url: URL, headers: { 'x-api-key': key }, ca: await project.sh('cat secrets/tls.crt') };
    await eventually('streaming', async () => (await replicas()) === '1', 20_000);
    assert.equal(await redisRole('redis'), 'master');
    assert.equal(await redisRole('redis-replica'), 'slave');
    await project.sh('docker compose exec -T api node dist/api-server/main.js connections');
  });

  it('the gateway serves the certificate, and redirects plain HTTP', async () => {
    const agent = new Agent({ connect: { ca: target.ca } });
    assert.equal((await ask(target, agent)).status, 200);
    await agent.close();
    await assert.rejects(ask({ url: URL }), /self-signed certificate/);
    const { statusCode, headers, body } = await request(`http://localhost${PATHS.graphql}`);
    await body.dump();
    const { location } = headers;
    assert.deepEqual({ statusCode, location }, { statusCode: 308, location: `${URL}${PATHS.graphql}` });
  });

  it('a restart of each API container fails no request', async () => {
    lanes.add('new connections', target);
    lanes.add('keep-alive', target, { keepAlive: true });
    for (const service of ['api', 'api-2', 'api-3'])
      assert.deepEqual(await interrupt(`docker compose restart ${service} && docker compose up --wait`), []);
  });

  it('an upgrade with a migration, one API container after the other, fails no request', async () => {
    project.use('1.1.0');
    assert.deepEqual(await interrupt(`set -e\n${documented(PAGE, '### Upgrade', 1, {})}`), []);
    const { 'keep-alive': counts } = await lanes.sample(1_000);
    assert.deepEqual(Object.keys(counts!.served), ['1.1.0']);
  });

  it('an image that crashes fails the upgrade of its container and no request', async () => {
    project.use('crashing');
    const upgrade = 'docker compose up --wait --no-deps api-2';
    assert.deepEqual(await interrupt(`! ${upgrade}`), []);
    project.use('1.1.0');
    assert.deepEqual(await interrupt(upgrade), []);
  });

  it('a killed API container fails at most the requests that it is processing', async () => {
    const failures = await interrupt('docker compose kill api-3 && docker compose up --wait');
    // Two lanes of two workers.
    assert.ok(failures.length <= 4, failures.join('\n'));
    assert.deepEqual(
      failures.filter((failure) => !failure.includes('HTTP 503 upstream connect error')),
      [],
    );
  });

  it('Sentinel promotes the replica of Redis, and the old master returns as a replica', async () => {
    assert.deepEqual(await interrupt('docker compose stop redis'), []);
    await eventually('failover', async () => (await redisRole('redis-replica')) === 'master', 60_000, 500);
    await project.sh('docker compose start redis');
    await eventually('replica', async () => (await redisRole('redis')) === 'slave', 60_000, 500);
  });

  it('the documented failover of PostgreSQL keeps the data, and creates a new replica', async () => {
    await sql('postgres', 'CREATE TABLE written_before AS SELECT 1');
    await eventually('the replica has the table', () =>
      sql('postgres-replica', 'TABLE written_before').then(
        () => true,
        () => false,
      ),
    );
    const failures = await interrupt(documented(PAGE, '### High availability', 0, {}));
    assert.deepEqual(
      failures.filter((failure) => !/HTTP 50[34] /.test(failure)),
      [],
    );
    assert.equal(await sql('postgres', 'TABLE written_before'), '1');
    await eventually('streaming', async () => (await replicas()) === '1');
  });

  it('Prometheus scrapes each container of the API, and evaluates the alerts', async () => {
    await project.sh('docker compose up --wait prometheus');
    const api = async (path: string) =>
      JSON.parse(await project.sh(`curl --silent --fail 'http://localhost:9091/api/v1/${path}'`)).data;
    type Sample = { metric: { instance: string } };
    await eventually(
      'all targets are up',
      async () => {
        const { result } = await api(`query?query=${encodeURIComponent('up{job="pcf-api"} == 1')}`);
        const instances = (result as Sample[]).map(({ metric }) => metric.instance).sort();
        return JSON.stringify(instances) === JSON.stringify(['api', 'api-2', 'api-3', 'worker']);
      },
      60_000,
      1_000,
    );
    const { groups } = await api('rules');
    const names = groups.flatMap(({ rules }: { rules: { name: string }[] }) => rules.map(({ name }) => name));
    assert.ok(names.includes('PcfApiDatabaseUnavailable'));
  });
});
