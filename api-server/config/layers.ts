/** Sources of the settings: one layer per file, and the environment variables as the last layer. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'smol-toml';
import { CONFIG_DIR, CONTAINER_ENV, ENV, ENV_PREFIX } from '../../contract/image.js';
import { shippedPath } from '../../contract/shipped-files.js';
import { ConfigError } from './config-error.js';
import type { Environment } from './schema.js';
import { coerce } from './schema-tree.js';

/** Without a prototype, because the keys are external input (prototype pollution). */
export type Values = Record<string, unknown>;

export function noValues(): Values {
  return Object.create(null) as Values;
}

export interface Layer {
  /** Name of the source of a setting in messages: the file or the variable. */
  sourceOf(path: readonly string[]): string;
  values: Values;
}

/** Roles with ports of their own, so that all roles can run on one host. */
export type RoleWithPorts = 'auth' | 'worker';

/** All layers, in ascending order of precedence. */
export async function readLayers(
  env: NodeJS.ProcessEnv,
  environment: Environment,
  role?: RoleWithPorts,
): Promise<Layer[]> {
  const shipped = shippedConfigs();
  // Kubernetes sets its variable in every pod, also for an image that does not set ours.
  const isContainer = env[CONTAINER_ENV] || env.KUBERNETES_SERVICE_HOST;
  const names = ['base', ...(role ? [role] : []), environment, ...(isContainer ? ['container'] : [])];
  const files = names.map((name) => fileLayer(join(shipped, `${name}.toml`), `${name}.toml`));
  return [
    ...(await Promise.all(files)),
    ...(await mountedLayers(env[ENV.configDir] || CONFIG_DIR)),
    variableLayer(env),
  ];
}

/** The values of base.toml: the defaults. */
export async function baseValues(): Promise<Values> {
  return (await fileLayer(join(shippedConfigs(), 'base.toml'), 'base.toml')).values;
}

function shippedConfigs(): string {
  return shippedPath('api-server/configs', import.meta.url);
}

async function mountedLayers(folder: string): Promise<Layer[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw configError(folder, `cannot read the folder: ${error.code}`);
  });
  const files = names.filter((name) => name.endsWith('.toml')).sort();
  return Promise.all(files.map((name) => fileLayer(join(folder, name), join(folder, name))));
}

async function fileLayer(file: string, source: string): Promise<Layer> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw configError(source, `cannot read the file: ${error.code}`);
  });
  return { sourceOf: () => source, values: parseToml(text, source) };
}

function parseToml(text: string, source: string): Values {
  try {
    return parse(text);
  } catch (error) {
    // Only the first line: the following lines quote the file, which can contain secrets.
    const [summary = 'not TOML'] = String((error as Error).message).split('\n');
    const { line, column } = error as { line?: number; column?: number };
    throw configError(source, `${summary} at line ${line ?? '?'}, column ${column ?? '?'}`);
  }
}

function variableLayer(env: NodeJS.ProcessEnv): Layer {
  const values = noValues();
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith(ENV_PREFIX) || name === ENV.environment || text === undefined) continue;
    const path = name.slice(ENV_PREFIX.length).toLowerCase().split('__');
    setAt(values, path, coerce(path, text));
  }
  return { sourceOf: variableName, values };
}

/** The variable that sets a path: `server.port` -> `PCF_API__SERVER__PORT`. */
export function variableName(path: readonly string[]): string {
  return ENV_PREFIX + path.join('__').toUpperCase();
}

function setAt(values: Values, path: readonly string[], value: unknown): void {
  const [key = '', ...rest] = path;
  if (rest.length === 0) {
    values[key] = value;
    return;
  }
  const inner = values[key];
  const section: Values = typeof inner === 'object' && inner !== null ? (inner as Values) : noValues();
  values[key] = section;
  setAt(section, rest, value);
}

function configError(source: string, problem: string): ConfigError {
  return new ConfigError([{ path: '', source, problem }]);
}
