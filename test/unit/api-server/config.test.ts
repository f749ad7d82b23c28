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
  const errorMessageOf = async (more: NodeJS.ProcessEnv = {}): Promise<string> => {
    try {
      await loadSettings(env(more));
    } catch (error) {
      assert.ok(error instanceof ConfigError, String(error));
      assert.doesNotMatch(error.message, /hush/);
      return error.message.replaceAll(folder, 'FOLDER');
    }
    assert.fail('the settings were accepted');
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
      assert.equal(settings.auth.open, environment === 'development', 'auth.open');
      assert.equal(settings.rate_limit.requests > 0, environment !== 'development');
      assert.equal(settings.database.max_connections, connections);
      assert.equal(settings.shutdown.delay, delay);
      assert.deepEqual([settings.server.port, settings.metrics.port], [8080, 9090]);
    });

    it(`${environment}: in a container, every role listens on all addresses and on the ports of the contract`, async () => {
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

  it('the environment defaults to development, also when the configuration folder does not exist', async () => {
    const { environment } = await loadSettings(env({ PCF_CONFIG_DIR: join(folder, 'none') }));
    assert.equal(environment, 'development');
  });

  it('variables override mounted files, later files override earlier ones, and files override the environment', async () => {
    mount('a.toml', '[database]\nmax_connections = 7\nconnect_timeout = "1s"\n[logging]\nlevel = "error"');
    mount('b.toml', '[database]\nmax_connections = 8');
    mount('README.md', 'not settings');
    const { database, logging } = await loadSettings(env({ PCF_API__DATABASE__CONNECT_TIMEOUT: '250ms' }));
    assert.equal(database.max_connections, 8);
    assert.equal(database.connect_timeout, 250);
    assert.equal(logging.level, 'error');
  });

  it('parses numbers, booleans and durations in variables', async () => {
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

  const rejected: [string, NodeJS.ProcessEnv, string][] = [
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
      'an invalid boolean',
      { PCF_API__GRAPHQL__PLAYGROUND_ENABLED: 'yes' },
      'graphql.playground_enabled: expected boolean, received string, got "yes" (from PCF_API__GRAPHQL__PLAYGROUND_ENABLED)',
    ],
    [
      'a duration without a unit',
      { PCF_API__SHUTDOWN__DELAY: '5' },
      'shutdown.delay: expected a duration such as "500ms", "30s" or "5m", got "5" (from PCF_API__SHUTDOWN__DELAY)',
    ],
    [
      'a value that is not in the enumeration',
      { PCF_API__REDIS__MODE: 'Sentinel' },
      'redis.mode: invalid option: expected one of "standalone"|"sentinel"|"cluster", got "Sentinel" (from PCF_API__REDIS__MODE)',
    ],
    [
      'a URL of another database system, without quoting the URL',
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
      'a housekeeping interval of zero',
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
      'an unknown variable without a near match',
      { PCF_API__ZEBRA: '5' },
      'zebra: unknown setting (from PCF_API__ZEBRA)',
    ],
    [
      'a variable for a section',
      { PCF_API__DATABASE: 'postgres host=x password=hush' },
      'database: expected object, received string (from PCF_API__DATABASE)',
    ],
  ];
  for (const [what, more, message] of rejected) {
    it(`rejects ${what}`, async () => {
      const only =
        what === 'a variable for a section' ? { PCF_API__DATABASE__URL: undefined, ...more } : more;
      assert.equal(await errorMessageOf(only), message);
    });
  }

  it('reports each invalid setting with its file', async () => {
    mount('config.toml', '[server]\nprot = 80\nhost = 5\n[cache]\nsize = 1');
    const message = await errorMessageOf();
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

  it('reports the line and column of a TOML syntax error, without quoting the file', async () => {
    mount('config.toml', '[database]\nurl = "postgresql://me:hush-hush@db/pcf\n');
    assert.match(await errorMessageOf(), /at line 2, column \d+ \(from FOLDER\/config\.toml\)$/);
  });

  it('rejects the environment in a file, because only PCF_API__ENVIRONMENT can set it', async () => {
    mount('config.toml', 'environment = "production"');
    assert.equal(
      await errorMessageOf(),
      'environment: can only be set by PCF_API__ENVIRONMENT (from FOLDER/config.toml)',
    );
  });

  it('reports __proto__ and constructor as unknown settings', async () => {
    assert.match(await errorMessageOf({ PCF_API____PROTO____POLLUTED: '1' }), /unknown setting/);
    assert.match(await errorMessageOf({ PCF_API__CONSTRUCTOR__NAME: '1' }), /unknown setting/);
    assert.equal(({} as Record<string, unknown>).polluted, undefined);
  });

  it('the JSON Schema contains every setting with its default, and requires none', async () => {
    const schema = (await configJsonSchema()) as unknown as SchemaNode;
    assert.deepEqual(leafPaths(schema, []).sort(), settingPaths().sort());
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

function leafPaths(node: SchemaNode, path: string[]): string[] {
  if (!node.properties) return [path.join('.')];
  return Object.entries(node.properties).flatMap(([key, child]) => leafPaths(child, [...path, key]));
}
