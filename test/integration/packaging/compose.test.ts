import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { parse } from 'yaml';
import { loadSettings } from '../../../api-server/config/load.js';
import { ENV, PORTS, ROLES } from '../../../contract/image.js';
import { fetchBytes } from '../../../sandbox/control-plane/download.js';
import { cacheFolder } from '../../../sandbox/process/cache-folder.js';
import { parseDockerfile, stagesOf } from '../../support/processes/docker-build.js';

const VERSION = 'v2.16.2';

/** The schema of the Compose specification, from the Go module that Docker Compose uses. */
async function composeSchema(): Promise<object> {
  const cached = join(cacheFolder(), 'compose', `compose-spec-${VERSION}.json`);
  if (!existsSync(cached)) {
    mkdirSync(dirname(cached), { recursive: true });
    writeFileSync(cached, fromGoModule() ?? (await fromRepository()));
  }
  return JSON.parse(readFileSync(cached, 'utf8')) as object;
}

function fromGoModule(): string | undefined {
  try {
    const args = ['mod', 'download', '-json', `github.com/compose-spec/compose-go/v2@${VERSION}`];
    const { Dir } = JSON.parse(execFileSync('go', args, { cwd: tmpdir(), encoding: 'utf8' })) as {
      Dir: string;
    };
    return readFileSync(join(Dir, 'schema/compose-spec.json'), 'utf8');
  } catch {
    return undefined; // Go is not installed
  }
}

async function fromRepository(): Promise<string> {
  const url = `https://raw.githubusercontent.com/compose-spec/compose-go/${VERSION}/schema/compose-spec.json`;
  return (await fetchBytes(url)).toString('utf8');
}

interface Service {
  command?: string[];
  user?: string;
  read_only?: boolean;
  cap_drop?: string[];
  environment?: Record<string, string>;
  healthcheck?: { test?: string[]; disable?: boolean };
  depends_on?: Record<string, { condition: string }>;
  restart?: string;
  networks?: string[] | Record<string, object>;
  secrets?: (string | { source: string; target: string })[];
  ports?: { published: number; mode: string }[];
  deploy?: { update_config?: object; rollback_config?: object; mode?: string; endpoint_mode?: string };
}
interface Compose {
  services: Record<string, Service>;
  secrets: Record<string, object>;
  configs?: Record<string, { file: string }>;
}

/** Networks of a service in either syntax. */
const networksOf = ({ networks = [] }: Service) =>
  Array.isArray(networks) ? networks : Object.keys(networks);

/** The name of all containers of the API in envoy.yaml. */
const INSTANCES = 'api-instances';

/** `address:port` of each upstream of the gateway. */
function gatewayTargets(): string[] {
  const envoy = readFileSync('deploy/compose/gateway/envoy.yaml', 'utf8');
  const targets = [...envoy.matchAll(/address: (api[\w-]*), port_value: (\d+)/g)];
  return targets.map(([, name, port]) => `${name}:${port}`);
}

function aliasesOf({ networks }: Service, network: string): string[] | undefined {
  return (networks as Record<string, { aliases?: string[] }>)[network]?.aliases;
}

const load = (file: string) => parse(readFileSync(file, 'utf8'), { merge: true }) as Compose;

for (const name of ['compose', 'swarm']) {
  describe(`deploy/compose/${name}.yaml`, () => {
    const file = load(`deploy/compose/${name}.yaml`);

    it('is valid according to the schema of the Compose specification', async () => {
      const ajv = new Ajv2020({ strict: false, validateFormats: false });
      const schema = { ...(await composeSchema()), $schema: 'https://json-schema.org/draft/2020-12/schema' };
      const validate = ajv.compile(schema);
      assert.ok(validate(file), ajv.errorsText(validate.errors));
      const wrong = structuredClone(file) as unknown as { services: { api: { healthcheck: object } } };
      wrong.services.api.healthcheck = { tset: [] };
      assert.ok(!validate(wrong), 'an invalid file is rejected');
    });

    it('runs each role as user 1001 with a read-only root file system and no capabilities', () => {
      for (const service of ['api', 'worker', 'migrate']) {
        const { user, read_only, cap_drop } = file.services[service]!;
        assert.deepEqual(
          { user, read_only, cap_drop },
          { user: '1001:1001', read_only: true, cap_drop: ['ALL'] },
        );
      }
    });

    it('runs the serve and worker roles', () => {
      for (const [service, args] of Object.entries({ api: ROLES.serve, worker: ROLES.worker }))
        assert.deepEqual(file.services[service]!.command, [...args]);
    });

    it('has the same health check as the image', () => {
      const [, final] = stagesOf(parseDockerfile('Dockerfile.api'));
      const image = final!.find((one) => one.getKeyword() === 'HEALTHCHECK')!.getRawArgumentsContent()!;
      const test = ['CMD', ...JSON.parse(image.replace(/^.*?\[/, '['))];
      for (const service of ['api', 'worker'])
        assert.deepEqual(file.services[service]!.healthcheck!.test, test, service);
    });

    it('reads each secret from a declared file, and none from a variable', () => {
      for (const [service, { environment = {}, secrets = [] }] of Object.entries(file.services)) {
        for (const [variable, value] of Object.entries(environment))
          assert.ok(
            !/PASSWORD|TOKEN|SECRET|__URL/.test(variable) || variable.endsWith('_FILE'),
            `${service}: ${variable}=${value}`,
          );
        for (const secret of secrets)
          assert.ok((typeof secret === 'string' ? secret : secret.source) in file.secrets, service);
      }
    });
  });
}

describe('deploy/compose/compose.yaml', () => {
  const { services } = load('deploy/compose/compose.yaml');

  it('starts the migrations after the database, and the API after the migrations', () => {
    for (const name of ['api', 'worker'])
      assert.equal(services[name]!.depends_on!.migrate!.condition, 'service_completed_successfully');
    assert.equal(services.migrate!.depends_on!.postgres!.condition, 'service_healthy');
    for (const name of ['api', 'worker', 'postgres', 'redis']) {
      assert.equal(services[name]!.restart, 'unless-stopped');
      assert.ok(services[name]!.healthcheck!.test, name);
    }
  });

  it('waits for the PostgreSQL that serves by TCP, not for the temporary server of the first start', () => {
    assert.ok(services.postgres!.healthcheck!.test!.includes('--host=127.0.0.1'));
  });

  it('has a Redis that does not evict jobs, and a worker with access to webhook targets', () => {
    const command = services.redis!.command!.join(' ');
    assert.match(command, /--maxmemory-policy noeviction/);
    assert.match(command, /--appendonly yes/);
    assert.deepEqual(services['redis-replica']!.command, services.redis!.command);
    assert.ok(networksOf(services.worker!).includes('front'));
  });

  for (const example of ['settings.example.toml', 'settings.ha.example.toml'])
    it(`has settings that the API accepts: ${example}`, async () => {
      const folder = mkdtempSync(join(tmpdir(), 'pcf-compose-'));
      try {
        cpSync(`deploy/compose/secrets/${example}`, join(folder, 'settings.toml'));
        const env = {
          ...services.api!.environment,
          [ENV.environment]: 'production',
          [ENV.configDir]: folder,
        };
        const { server, database, redis } = await loadSettings(env);
        assert.equal(server.port, PORTS.http);
        for (const url of [database.url, database.replica_url ?? database.url])
          assert.ok(new URL(url).hostname in services, url);
        for (const host of redis.url!.replace('redis://', '').split(','))
          assert.ok(host.split(':')[0]! in services, host);
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    });

  it('mounts files that exist, and secrets whose creation is documented', () => {
    const { configs, secrets } = load('deploy/compose/compose.yaml');
    for (const { file } of Object.values(configs!)) assert.ok(existsSync(join('deploy/compose', file)), file);
    const page = readFileSync('docs/install.md', 'utf8');
    for (const { file } of Object.values(secrets) as { file: string }[])
      assert.ok(page.includes(file.replace('./', '')), file);
  });

  it('the gateway resolves every container of the API by an alias, and Prometheus has a target for each', () => {
    const all = Object.keys(services).filter((name) => /^api(-\d)?$/.test(name));
    assert.deepEqual(gatewayTargets(), [`${INSTANCES}:${PORTS.http}`]);
    for (const name of all) assert.deepEqual(aliasesOf(services[name]!, 'upstream'), [INSTANCES], name);
    const { scrape_configs } = parse(readFileSync('deploy/compose/monitoring/prometheus.yaml', 'utf8'));
    const [{ names, port }] = scrape_configs[0].dns_sd_configs;
    assert.deepEqual({ names, port }, { names: [...all, 'worker', 'auth'], port: PORTS.metrics });
    const shared = Object.entries(services).filter(([, service]) => networksOf(service).includes('upstream'));
    assert.deepEqual(shared.map(([name]) => name).sort(), [...all, 'gateway'].sort());
  });

  it('Grafana loads the dashboard of this repository with a provisioned data source', () => {
    const grafana = services.grafana as unknown as { configs: { source: string; target: string }[] };
    const target = (source: string) => grafana.configs.find((one) => one.source === source)!.target;
    const provisioned = (name: string) =>
      parse(readFileSync(`deploy/compose/monitoring/grafana/${name}.yaml`, 'utf8'));
    assert.match(target('grafana-datasources'), /^\/etc\/grafana\/provisioning\/datasources\//);
    assert.match(target('grafana-dashboards'), /^\/etc\/grafana\/provisioning\/dashboards\//);
    assert.equal(dirname(target('dashboard')), provisioned('dashboards').providers[0].options.path);
    const [source] = provisioned('datasources').datasources;
    assert.ok(new URL(source.url).hostname in services);
    assert.equal(source.isDefault, true);
  });
});

describe('deploy/compose/swarm.yaml', () => {
  it('rolls back a release whose tasks fail, and runs migrations as a job', () => {
    const { services } = load('deploy/compose/swarm.yaml');
    const { update_config, rollback_config } = services.api!.deploy!;
    assert.deepEqual(
      { ...(update_config as { failure_action: string; order: string }) }.failure_action,
      'rollback',
    );
    assert.ok(rollback_config);
    assert.equal(services.migrate!.deploy!.mode, 'replicated-job');
  });

  it('publishes only the gateway, on ports of the nodes, and the gateway resolves every task of the API', () => {
    const { services } = load('deploy/compose/swarm.yaml');
    const published = Object.entries(services).flatMap(([name, { ports = [] }]) =>
      ports.map(({ published, mode }) => `${name} ${published} ${mode}`),
    );
    assert.deepEqual(published, ['gateway 443 host', 'gateway 80 host']);
    assert.equal(services.api!.deploy!.endpoint_mode, 'dnsrr', 'a name of the service is a list of tasks');
    assert.deepEqual(aliasesOf(services.api!, 'upstream'), [INSTANCES]);
    const upstream = Object.keys(services).filter((name) => networksOf(services[name]!).includes('upstream'));
    assert.deepEqual(upstream, ['api', 'gateway'], 'no other task can receive the address of a stopped one');
  });
});
