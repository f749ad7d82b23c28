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
  networks?: string[];
  secrets?: (string | { source: string; target: string })[];
  deploy?: { update_config?: object; rollback_config?: object; mode?: string };
}
interface Compose {
  services: Record<string, Service>;
  secrets: Record<string, object>;
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
    assert.ok(services.worker!.networks!.includes('front'));
  });

  it('has example settings that the API accepts', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'pcf-compose-'));
    try {
      cpSync('deploy/compose/secrets/settings.example.toml', join(folder, 'settings.toml'));
      const settings = await loadSettings({ [ENV.environment]: 'production', [ENV.configDir]: folder });
      assert.equal(settings.server.port, PORTS.http);
      assert.equal(new URL(settings.database.url).hostname, 'postgres');
      assert.ok('postgres' in services && 'redis' in services);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
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
});
