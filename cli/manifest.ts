/** Reads PcfApi manifests from files, with the strict field validation of the API server. */
import { readFileSync } from 'node:fs';
import { closest, distance } from 'fastest-levenshtein';
import { parseAllDocuments, type Tags } from 'yaml';
import type { z } from 'zod';
import { API_VERSION, KIND, type PcfApi } from '../operator/api/v1alpha1/pcfapi.js';
import { pcfApiSpec } from '../operator/api/v1alpha1/spec.js';
import { CliError } from './output.js';

interface Manifest {
  apiVersion?: string;
  kind?: string;
  metadata?: { name?: string; namespace?: string; [field: string]: unknown };
  spec?: unknown;
}

/** Namespace of manifests without one. `requested` must match the namespace of all manifests, as in kubectl. */
export interface NamespaceChoice {
  requested?: string;
  fallback?: string;
}

/** PcfApis of a file, or of standard input for `-`. Throws a {@link CliError} that names the invalid field. */
export function readManifests(file: string, namespace: NamespaceChoice = {}): PcfApi[] {
  const found = readDocuments(file).filter((manifest): manifest is Manifest => kindOf(manifest) === KIND);
  if (found.length === 0) throw new CliError(`${file} contains no ${KIND}`);
  return found.map((manifest) => toPcfApi(file, manifest, namespace));
}

/** YAML documents of a file, or of standard input for `-`. Throws a {@link CliError} for invalid YAML. */
export function readDocuments(file: string): unknown[] {
  const documents = parseAllDocuments(readText(file), { version: '1.1', customTags: withoutTimestamps });
  return documents.flatMap((document): unknown[] => {
    const [problem] = document.errors;
    if (problem) throw new CliError(`${file}: ${problem.message}`);
    const content: unknown = document.toJS();
    return content === null || content === undefined ? [] : [content];
  });
}

function kindOf(document: unknown): unknown {
  return (document as Manifest | null)?.kind;
}

/** YAML 1.1 as read by kubectl: `off` is false, but a date is a string. */
const withoutTimestamps = (tags: Tags): Tags =>
  tags.filter((tag) => typeof tag === 'string' || tag.tag !== 'tag:yaml.org,2002:timestamp');

function readText(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (error) {
    throw new CliError(`${file} can't be read: ${(error as Error).message}`);
  }
}

function toPcfApi(file: string, { apiVersion, metadata, spec }: Manifest, choice: NamespaceChoice): PcfApi {
  const name = metadata?.name;
  if (!name) throw new CliError(`${file}: metadata.name is missing`);
  if (apiVersion !== API_VERSION)
    throw new CliError(`${file}: ${name} has apiVersion ${apiVersion}, expected ${API_VERSION}`);
  const { requested, fallback = 'default' } = choice;
  const namespace = metadata.namespace ?? requested ?? fallback;
  if (requested && requested !== namespace)
    throw new CliError(
      `${file}: ${name} is in namespace ${namespace}, not ${requested}; omit --namespace, or use --namespace=${namespace}`,
    );
  const result = pcfApiSpec.safeParse(spec);
  if (!result.success) {
    const problems = result.error.issues.flatMap((issue) => problemsOf(issue, spec));
    throw new CliError([`${file}: ${name} is not valid`, ...problems.map((line) => `  ${line}`)].join('\n'));
  }
  return {
    apiVersion: API_VERSION,
    kind: KIND,
    metadata: { ...metadata, namespace, name, uid: '', resourceVersion: '', generation: 1 },
    spec: result.data,
  };
}

function problemsOf(issue: z.core.$ZodIssue, spec: unknown): string[] {
  const path = ['spec', ...issue.path].join('.');
  if (issue.code !== 'unrecognized_keys') {
    const given = valueAt(spec, issue.path);
    return [`${path}: ${issue.message}${given === undefined ? '' : `, got ${JSON.stringify(given)}`}`];
  }
  return issue.keys.map((key) => `${path}.${key}: unknown field${suggestion(issue.path, key)}`);
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce((at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key], value);
}

/** Suggests the most similar field. */
function suggestion(path: readonly PropertyKey[], key: string): string {
  const known = Object.keys(shapeAt(path) ?? {});
  if (known.length === 0) return '';
  const near = closest(key, known);
  return distance(key, near) <= 3 ? `; did you mean ${near}?` : `; known fields: ${known.join(', ')}`;
}

function shapeAt(path: readonly PropertyKey[]): Record<string, unknown> | undefined {
  let schema: unknown = pcfApiSpec;
  for (const key of path)
    schema = typeof key === 'number' ? elementOf(schema) : shapeOf(schema)?.[String(key)];
  return shapeOf(schema);
}

interface AnySchema {
  shape?: Record<string, unknown>;
  element?: unknown;
  unwrap?: () => unknown;
}

/** Unwraps optional and default. */
function bare(schema: unknown): AnySchema {
  const any = (schema ?? {}) as AnySchema;
  return any.shape || any.element || !any.unwrap ? any : bare(any.unwrap());
}

function shapeOf(schema: unknown): Record<string, unknown> | undefined {
  return bare(schema).shape;
}

function elementOf(schema: unknown): unknown {
  return bare(schema).element;
}
