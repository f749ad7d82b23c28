import assert from 'node:assert/strict';
import { eventually } from '../support/cluster/pcf-api.js';
import type { Docker } from './compose/docker.js';
import { documented } from './compose/documented.js';
import { failuresDuring } from './compose/interruptions.js';
import { ComposeProject } from './compose/project.js';
import { sharedDocker } from './compose/shared-docker.js';
import { POSTGRES_IMAGE, REDIS_IMAGE } from './compose/store-images.js';
import { Lanes, type Target } from './load.js';
import { imageOf } from './parts/images.js';

const PAGE = 'docs/install.md';
const PASSWORD = 'of-the-scenario';

/** The database and Redis of docs/install.md are external: they use the network of the machine. */
const STORES = `docker run --detach --name swarm-postgres --network host --tmpfs /run/postgresql \
  -e POSTGRES_USER=pcf -e POSTGRES_DB=pcf -e POSTGRES_PASSWORD=${PASSWORD} ${POSTGRES_IMAGE}
docker run --detach --name swarm-redis --network host ${REDIS_IMAGE} \
  redis-server --maxmemory-policy noeviction --protected-mode no
until docker exec swarm-postgres pg_isready --host=127.0.0.1 --username=pcf --dbname=pcf; do sleep 1; done`;

/** The machine is the only node, has two cores, and its kernel has no ESP. Pauses between tasks are shorter. */
const ONE_SMALL_NODE = `sed -i 's/max_replicas_per_node: 2, //; s/cpus: "0.5", memory: 768M/cpus: "0.1", memory: 64M/
s/, driver_opts: { encrypted: "true" }//
s/delay: 10s/delay: 1s/; s/monitor: [36]0s/monitor: 10s/' deploy/compose/swarm.yaml`;

describe('real Docker Swarm on one node', function () {
  this.timeout(600_000);
  let docker: Docker;
  let project: ComposeProject;
  let target: Target;
  const lanes = new Lanes();

  before(async function () {
    docker = sharedDocker();
    if (!docker.swarmClient) {
      console.error(
        '      Docker Swarm: skipped, because no docker client of version 23 or newer is installed',
      );
      this.skip();
    }
    project = ComposeProject.create(docker, docker.swarmEnvironment(docker.swarmClient));
    await docker.sh('docker swarm init --advertise-addr 127.0.0.1 --listen-addr 127.0.0.1:2377');
    await docker.sh(STORES);
    const bridge = "docker network inspect docker_gwbridge --format '{{(index .IPAM.Config 0).Gateway}}'";
    const machine = (await docker.sh(bridge)).trim();
    await project.shInRoot(`${ONE_SMALL_NODE}
cp deploy/compose/secrets/settings.example.toml settings.toml
sed -i 's/change-me@postgres/${PASSWORD}@${machine}/; s/redis:6379/${machine}:6379/' settings.toml
sed -i 's/change-me-to.*"/a signing key of this scenario only"/' settings.toml`);
    await project.shInRoot(documented(PAGE, '### Gateway with TLS', 0, { 'secrets/': '' }));
  });

  after(async () => {
    await lanes.stop();
    if (!project) return;
    await docker.sh('docker swarm leave --force; docker rm --force --volumes swarm-postgres swarm-redis');
  });

  /** Waits until exactly three containers of the API are healthy, without `gone`. Returns their IDs. */
  async function threeHealthy(gone?: string): Promise<string[]> {
    let found: string[] = [];
    await eventually('three instances are healthy', async () => {
      const list = await docker.sh('docker ps --quiet --filter name=pcf_api --filter health=healthy');
      found = list.split('\n').filter(Boolean);
      return found.length === 3 && !found.includes(gone ?? '');
    });
    return found;
  }
  /** Per slot of the API: since when the new task runs, and since when the old one does not. */
  async function replacements(): Promise<{ begin: number; end: number }[]> {
    const format = '{"slot":{{.Slot}},"state":{{json .Status.State}},"since":{{json .Status.Timestamp}}}';
    const inspect = `docker inspect --type task --format '${format}' $(docker service ps --quiet pcf_api)`;
    const tasks = (await docker.sh(inspect))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const since = (slot: number, state: string) =>
      Date.parse(tasks.find((task) => task.slot === slot && task.state === state)?.since);
    return [1, 2, 3].map((slot) => ({ begin: since(slot, 'running'), end: since(slot, 'shutdown') }));
  }
  /** A value of a Go template for a service. */
  const inspect = async (service: string, template: string) =>
    (await docker.sh(`docker service inspect pcf_${service} --format '${template}'`)).trim();
  const versions = async () => Object.keys((await lanes.sample(5_000)).gateway!.served).sort();
  const update = (service: string, version: string) =>
    `docker service update --image ${imageOf(version)} --detach=false --quiet pcf_${service}`;

  it('the documented commands start the gateway and three instances, and an API key is accepted', async () => {
    const script = documented(PAGE, '## Docker Swarm', 0, {
      'registry.example.com/pcf-api:0.1.0': imageOf('1.0.0'),
      'stack deploy': 'stack deploy --resolve-image never',
    });
    await project.shInRoot(script);
    const ca = await project.shInRoot('cat tls.crt');
    const [instance] = await threeHealthy();
    const create = `docker exec ${instance} node dist/api-server/main.js key create --name me --role admin`;
    const key = (await docker.sh(create)).trim();
    target = { url: 'https://localhost', headers: { 'x-api-key': key }, ca };
    lanes.add('gateway', target);
    await eventually('the gateway has found an instance', async () => {
      return Object.keys((await lanes.sample(1_000)).gateway!.served).length > 0;
    });
    lanes.takeFailures();
    assert.deepEqual(await versions(), ['1.0.0']);
  });

  it('secrets are not among the variables, arguments and labels of any service and container', async () => {
    const inspected = await docker.sh(
      'docker service inspect $(docker service ls --quiet); docker inspect $(docker ps --quiet --filter name=pcf_)',
    );
    assert.ok(!inspected.includes(PASSWORD));
  });

  it('an update starts each new task first, and no request fails', async () => {
    const script = documented(PAGE, '## Docker Swarm', 1, {
      'registry.example.com/pcf-api:0.2.0': imageOf('1.1.0'),
    });
    assert.deepEqual(await failuresDuring(project, lanes, target, script), []);
    assert.deepEqual(await versions(), ['1.1.0']);
    assert.equal(await inspect('api', '{{.UpdateStatus.State}}'), 'completed');
    for (const { begin, end } of await replacements()) assert.ok(begin < end, `${begin} < ${end}`);
  });

  it('a broken image is rolled back automatically, and no request fails', async () => {
    const script = `${update('api', 'crashing')} || true`;
    assert.deepEqual(await failuresDuring(project, lanes, target, script), []);
    await eventually('rolled back', async () => {
      return (await inspect('api', '{{.UpdateStatus.State}}')) === 'rollback_completed';
    });
    assert.equal(await inspect('api', '{{.Spec.TaskTemplate.ContainerSpec.Image}}'), imageOf('1.1.0'));
    assert.deepEqual(await versions(), ['1.1.0']);
    assert.deepEqual(lanes.takeFailures(), []);
  });

  it('a killed container is replaced, and requests that it did not receive succeed', async () => {
    const [killed] = await threeHealthy();
    await docker.sh(`docker kill ${killed}`);
    await threeHealthy(killed);
    const failures = lanes.takeFailures();
    // Those that it was processing: docs/install.md#interruptions.
    assert.ok(
      failures.length <= 2 && failures.every((failure) => /HTTP 503/.test(failure)),
      failures.join('\n'),
    );
  });
});
