import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'smol-toml';
import { ConfigError } from '../../../api-server/config/config-error.js';
import { configJsonSchema } from '../../../api-server/config/json-schema.js';
import { loadSettings } from '../../../api-server/config/load.js';
import type { Environment } from '../../../api-server/config/schema.js';
import { settingPaths } from '../../../api-server/config/schema-tree.js';
import { PORTS } from '../../../contract/image.js';

const URL_ = 'postgresql://me:hush-hush@db/pcf';

/** The settings of "Deployment Environments" in the deployment guide. */
const DEPLOYMENT_GUIDE: Record<Environment, string> = {
  development: `
    [server]
    port = 8080
    workers = 1
    [graphql]
    playground_enabled = true
    introspection_enabled = true
    [database]
    max_connections = 5`,
  staging: `
    [server]
    port = 8080
    workers = 2
    [graphql]
    playground_enabled = true
    introspection_enabled = true
    [database]
    max_connections = 20`,
  production: `
    [server]
    port = 8080
    workers = 0  # Use all CPU cores
    [graphql]
    playground_enabled = false
    introspection_enabled = false
    [database]
    max_connections = 100`,
};

describe('api-server settings', () => {
  let folder: string;

  const env = (more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
    PCF_CONFIG_DIR: folder,
    PCF_API__DATABASE__URL: URL_,
    ...more,
  });
  const mount = (name: string, text: string) => writeFileSync(join(folder, name), text);
  const refusal = async (more: NodeJS.ProcessEnv = {}): Promise<string> => {
    try {
      await loadSettings(env(more));
    } catch (error) {
      assert.ok(error instanceof ConfigError, String(error));
      assert.doesNotMatch(error.message, /hush/);
      return error.message.replaceAll(folder, 'FOLDER');
    }
    assert.fail('the settings were taken');
  };

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'pcf-test-config-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  for (const [environment, playground, connections, delay] of [
    ['development', true, 5, 0],
    ['staging', true, 20, 5_000],
    ['production', false, 100, 5_000],
  ] as const) {
    it(`${environment} has the deployment guide's values`, async () => {
      const settings = await loadSettings(env({ PCF_API__ENVIRONMENT: environment }));
      assert.equal(settings.environment, environment);
      assert.equal(settings.graphql.playground_enabled, playground);
      assert.equal(settings.graphql.introspection_enabled, playground);
      assert.equal(settings.auth.open, environment === 'development', 'who may come in without a name');
      assert.equal(settings.rate_limit.requests > 0, environment !== 'development');
      assert.equal(settings.database.max_connections, connections);
      assert.equal(settings.shutdown.delay, delay);
      assert.deepEqual([settings.server.port, settings.metrics.port], [8080, 9090]);
    });

    it(`${environment}: a container listens on all addresses, and every role at the ports of the contract`, async () => {
      for (const role of [undefined, 'worker', 'auth'] as const) {
        for (const variable of ['PCF_CONTAINER', 'KUBERNETES_SERVICE_HOST']) {
          const image = env({ PCF_API__ENVIRONMENT: environment, [variable]: 'set' });
          const { server, metrics } = await loadSettings(image, role);
          assert.deepEqual([server.host, server.port, metrics.port], ['0.0.0.0', PORTS.http, PORTS.metrics]);
        }
      }
    });
  }

  it('each environment has every value of the deployment guide', async () => {
    for (const [environment, table] of Object.entries(DEPLOYMENT_GUIDE)) {
      const settings = await loadSettings(env({ PCF_API__ENVIRONMENT: environment }));
      const sections = settings as unknown as Record<string, Record<string, unknown>>;
      for (const [section, values] of Object.entries(parse(table))) {
        for (const [name, value] of Object.entries(values)) {
          assert.equal(sections[section]?.[name], value, `${environment}: ${section}.${name}`);
        }
      }
    }
  });

  it('development listens on the loopback address only, because it has no authentication', async () => {
    const hosts = { development: '127.0.0.1', staging: '0.0.0.0', production: '0.0.0.0' };
    for (const [environment, host] of Object.entries(hosts)) {
      const { server } = await loadSettings(env({ PCF_API__ENVIRONMENT: environment }));
      assert.equal(server.host, host, environment);
    }
  });

  it('each role has default ports of its own, so that all roles can run on one host', async () => {
    const roles = [undefined, 'worker', 'auth'] as const;
    const settings = await Promise.all(roles.map((role) => loadSettings(env(), role)));
    const ports = settings.flatMap(({ server, metrics }) => [server.port, metrics.port]);
    assert.equal(new Set(ports).size, ports.length, String(ports));
  });

  it('mounted files and variables override the address and ports of the image', async () => {
    mount('config.toml', '[server]\nhost = "::"\n[metrics]\nport = 9100');
    const { server, metrics } = await loadSettings(
      env({ PCF_CONTAINER: 'true', PCF_API__SERVER__PORT: '8090' }),
      'worker',
    );
    assert.deepEqual([server.host, server.port, metrics.port], ['::', 8090, 9100]);
  });

  it('is development when nothing says otherwise, and takes a folder that is not there', async () => {
    const { environment } = await loadSettings(env({ PCF_CONFIG_DIR: join(folder, 'none') }));
    assert.equal(environment, 'development');
  });

  it('variables win over the mounted files, later files over earlier ones, those over the environment', async () => {
    mount('a.toml', '[database]\nmax_connections = 7\nconnect_timeout = "1s"\n[logging]\nlevel = "error"');
    mount('b.toml', '[database]\nmax_connections = 8');
    mount('README.md', 'not settings');
    const { database, logging } = await loadSettings(env({ PCF_API__DATABASE__CONNECT_TIMEOUT: '250ms' }));
    assert.equal(database.max_connections, 8);
    assert.equal(database.connect_timeout, 250);
    assert.equal(logging.level, 'error');
  });

  it('takes numbers and booleans from variables', async () => {
    const settings = await loadSettings(
      env({
        PCF_API__SERVER__PORT: '0',
        PCF_API__GRAPHQL__PLAYGROUND_ENABLED: 'false',
        PCF_API__SHUTDOWN__DELAY: '2m',
      }),
    );
    assert.deepEqual(
      [settings.server.port, settings.graphql.playground_enabled, settings.shutdown.delay],
      [0, false, 120_000],
    );
  });

  const refused: [string, NodeJS.ProcessEnv, string][] = [
    [
      'a value of the wrong type',
      { PCF_API__SERVER__PORT: 'http' },
      'server.port: expected number, received string, got "http" (from PCF_API__SERVER__PORT)',
    ],
    [
      'a value out of bounds',
      { PCF_API__SERVER__PORT: '70000' },
      'server.port: too big: expected number to be <=65535, got 70000 (from PCF_API__SERVER__PORT)',
    ],
    [
      'a boolean that is none',
      { PCF_API__GRAPHQL__PLAYGROUND_ENABLED: 'yes' },
      'graphql.playground_enabled: expected boolean, received string, got "yes" (from PCF_API__GRAPHQL__PLAYGROUND_ENABLED)',
    ],
    [
      'a duration without a unit',
      { PCF_API__SHUTDOWN__DELAY: '5' },
      'shutdown.delay: expected a duration such as "500ms", "30s" or "5m", got "5" (from PCF_API__SHUTDOWN__DELAY)',
    ],
    [
      'a word that is not one of a few',
      { PCF_API__REDIS__MODE: 'Sentinel' },
      'redis.mode: invalid option: expected one of "standalone"|"sentinel"|"cluster", got "Sentinel" (from PCF_API__REDIS__MODE)',
    ],
    [
      'a database of another kind, without telling the URL',
      { PCF_API__DATABASE__URL: 'mysql://me:hush@db/x' },
      'database.url: expected a URL such as postgresql://host:5432/name (from PCF_API__DATABASE__URL)',
    ],
    [
      'an empty database URL',
      { PCF_API__DATABASE__URL: '' },
      'database.url: expected a URL such as postgresql://host:5432/name (from PCF_API__DATABASE__URL)',
    ],
    [
      'no database URL',
      { PCF_API__DATABASE__URL: undefined },
      'database.url: is required; set PCF_API__DATABASE__URL',
    ],
    [
      'a host name with a port',
      { PCF_API__SERVER__ALLOWED_HOSTS: 'pcf.test:8080' },
      'server.allowed_hosts.0: expected a host name such as pcf.test, in lower case and without a port, got "pcf.test:8080" (from PCF_API__SERVER__ALLOWED_HOSTS)',
    ],
    [
      'housekeeping without a pause',
      { PCF_API__RETENTION__EVERY: '0ms' },
      'retention.every: expected an interval of at least 1s, got "0ms" (from PCF_API__RETENTION__EVERY)',
    ],
    [
      'an unknown environment',
      { PCF_API__ENVIRONMENT: 'prod' },
      'environment: expected development, staging, production, got "prod" (from PCF_API__ENVIRONMENT)',
    ],
    [
      'an unknown variable, with a near match',
      { PCF_API__DATABSE__MAX_CONNECTIONS: '5' },
      'databse.max_connections: unknown setting; did you mean PCF_API__DATABASE__MAX_CONNECTIONS? (from PCF_API__DATABSE__MAX_CONNECTIONS)',
    ],
    [
      'an unknown variable that is near nothing',
      { PCF_API__ZEBRA: '5' },
      'zebra: unknown setting (from PCF_API__ZEBRA)',
    ],
    [
      'a variable for a section',
      { PCF_API__DATABASE: 'postgres host=x password=hush' },
      'database: expected object, received string (from PCF_API__DATABASE)',
    ],
  ];
  for (const [what, more, message] of refused) {
    it(`refuses ${what}`, async () => {
      const only =
        what === 'a variable for a section' ? { PCF_API__DATABASE__URL: undefined, ...more } : more;
      assert.equal(await refusal(only), message);
    });
  }

  it('names the file of what a file has wrong', async () => {
    mount('config.toml', '[server]\nprot = 80\nhost = 5\n[cache]\nsize = 1');
    const message = await refusal();
    assert.match(
      message,
      /server\.prot: unknown setting; did you mean server\.port\? \(from FOLDER\/config\.toml\)/,
    );
    assert.match(message, /cache\.size: unknown setting \(from FOLDER\/config\.toml\)/);
    assert.match(
      message,
      /server\.host: expected string, received number, got 5 \(from FOLDER\/config\.toml\)/,
    );
  });

  it('says where a file is no TOML, without quoting it', async () => {
    mount('config.toml', '[database]\nurl = "postgresql://me:hush-hush@db/pcf\n');
    assert.match(await refusal(), /at line 2, column \d+ \(from FOLDER\/config\.toml\)$/);
  });

  it('the environment is set by its variable alone', async () => {
    mount('config.toml', 'environment = "production"');
    assert.equal(
      await refusal(),
      'environment: can only be set by PCF_API__ENVIRONMENT (from FOLDER/config.toml)',
    );
  });

  it('keys that JavaScript objects have by themselves are just unknown', async () => {
    assert.match(await refusal({ PCF_API____PROTO____POLLUTED: '1' }), /unknown setting/);
    assert.match(await refusal({ PCF_API__CONSTRUCTOR__NAME: '1' }), /unknown setting/);
    assert.equal(({} as Record<string, unknown>).polluted, undefined);
  });

  it('the JSON Schema knows every setting, requires none and has the defaults', async () => {
    const schema = (await configJsonSchema()) as unknown as SchemaNode;
    assert.deepEqual(leaves(schema, []).sort(), settingPaths().sort());
    assert.equal(schema.properties?.server?.properties?.port?.default, 8080);
    assert.equal(schema.properties?.database?.properties?.url?.writeOnly, true);
    assert.doesNotMatch(JSON.stringify(schema), /"required"/);
    assert.equal(schema.additionalProperties, false);
  });
});

interface SchemaNode {
  properties?: Record<string, SchemaNode>;
  additionalProperties?: boolean;
  default?: unknown;
  writeOnly?: boolean;
}

function leaves(node: SchemaNode, path: string[]): string[] {
  if (!node.properties) return [path.join('.')];
  return Object.entries(node.properties).flatMap(([key, child]) => leaves(child, [...path, key]));
}
