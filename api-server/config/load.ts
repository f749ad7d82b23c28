/** Merges the settings of all layers and validates them. */
import { closest, distance } from 'fastest-levenshtein';
import type { z } from 'zod';
import { ENV } from '../../contract/image.js';
import { ConfigError, type ConfigProblem } from './config-error.js';
import { type Layer, noValues, type RoleWithPorts, readLayers, type Values, variableName } from './layers.js';
import { type Environment, environmentSchema, fileSettingsSchema, type Settings } from './schema.js';
import { isSecret, isSection, schemaAt, settingPaths } from './schema-tree.js';
import { readSecretFiles } from './secret-files.js';

/**
 * Reads base.toml, <role>.toml, <environment>.toml, the mounted folder and the variables.
 * Throws a ConfigError with all errors, not only the first.
 */
export async function loadSettings(
  env: NodeJS.ProcessEnv = process.env,
  role?: RoleWithPorts,
): Promise<Settings> {
  const environment = readEnvironment(env);
  const layers = await readLayers(env, environment, role);
  const unknown = layers.flatMap((layer) => unknownKeys(layer, layer.values, []));

  const merged = noValues();
  const sources = new Map<string, string>();
  for (const layer of layers) merge(merged, layer.values, [], layer, sources);
  const unreadable = await readSecretFiles(merged, sources);
  const result = fileSettingsSchema.safeParse(merged);

  const invalid = (result.error?.issues ?? []).flatMap((issue) => problemOf(issue, merged, sources));
  const problems = [...unknown, ...unreadable, ...invalid];
  if (!result.success || problems.length > 0) throw new ConfigError(problems);
  return { environment, ...result.data };
}

/** The default is development, so that a clone runs without variables. The image sets production. */
function readEnvironment(env: NodeJS.ProcessEnv): Environment {
  const result = environmentSchema.safeParse(env[ENV.environment] ?? 'development');
  if (result.success) return result.data;
  const problem = `expected ${environmentSchema.options.join(', ')}, got "${env[ENV.environment]}"`;
  throw new ConfigError([{ path: 'environment', source: ENV.environment, problem }]);
}

function unknownKeys(layer: Layer, values: Values, path: string[]): ConfigProblem[] {
  return Object.entries(values).flatMap(([key, value]): ConfigProblem[] => {
    const here = [...path, key];
    // Descends into unknown sections, too: each path may have its own closest match.
    const hasChildren = isValues(value) && Object.keys(value).length > 0;
    if (hasChildren && (isSection(here) || !schemaAt(here))) return unknownKeys(layer, value, here);
    return schemaAt(here) ? [] : [unknownKey(here, layer)];
  });
}

function unknownKey(path: string[], layer: Layer): ConfigProblem {
  const name = path.join('.');
  if (name === 'environment') {
    return { path: name, source: layer.sourceOf(path), problem: `can only be set by ${ENV.environment}` };
  }
  const near = closest(name, settingPaths());
  const isNear = distance(name, near) <= Math.max(2, Math.floor(near.length / 3));
  const byVariable = layer.sourceOf(path) === variableName(path);
  const hint = byVariable ? variableName(near.split('.')) : near;
  const problem = isNear ? `unknown setting; did you mean ${hint}?` : 'unknown setting';
  return { path: name, source: layer.sourceOf(path), problem };
}

/** Later layers take precedence. Records the source of each setting in `sources`. */
function merge(into: Values, from: Values, path: string[], layer: Layer, sources: Map<string, string>): void {
  for (const [key, value] of Object.entries(from)) {
    const here = [...path, key];
    const inner = into[key];
    if (isValues(value) && isValues(inner)) {
      merge(inner, value, here, layer, sources);
      continue;
    }
    into[key] = isValues(value) ? noValues() : value;
    sources.set(here.join('.'), layer.sourceOf(here));
    if (isValues(value)) merge(into[key] as Values, value, here, layer, sources);
  }
}

function problemOf(issue: z.core.$ZodIssue, merged: Values, sources: Map<string, string>): ConfigProblem[] {
  if (issue.code === 'unrecognized_keys') return []; // unknownKeys reports them with their source
  const path = issue.path.map(String);
  const value = valueAt(merged, path);
  if (value === undefined) {
    return [{ path: path.join('.'), problem: `is required; set ${variableName(path)}` }];
  }
  const expected = lowerFirst(issue.message.replace(/^Invalid input: /, ''));
  // A secret may have been assigned to a section by mistake.
  const got = isSecret(path) || isSection(path) || isValues(value) ? '' : `, got ${JSON.stringify(value)}`;
  return [{ path: path.join('.'), source: sourceOf(path, sources), problem: expected + got }];
}

function sourceOf(path: string[], sources: Map<string, string>): string | undefined {
  for (let length = path.length; length > 0; length -= 1) {
    const source = sources.get(path.slice(0, length).join('.'));
    if (source) return source;
  }
  return undefined;
}

function valueAt(values: Values, path: string[]): unknown {
  return path.reduce<unknown>(
    (at, key) => (isValues(at) || Array.isArray(at) ? (at as Values)[key] : undefined),
    values,
  );
}

function isValues(value: unknown): value is Values {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
