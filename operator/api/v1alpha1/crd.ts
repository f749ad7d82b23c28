/**
 * Converts the zod schemas to CustomResourceDefinitions. Kubernetes requires a
 * *structural* schema (apiextensions.k8s.io/v1): no $ref, no type arrays, no
 * additionalProperties next to properties, unions only as x-kubernetes-int-or-string.
 */
import { z } from 'zod';
import { FIELD_MANAGER, GROUP, KIND, PLURAL, pcfApiObject, VERSION } from './pcfapi.js';
import { pcfWindowObject, WINDOW_KIND, WINDOW_PLURAL } from './pcfwindow.js';

export interface JsonSchema {
  type?: string;
  description?: string;
  default?: unknown;
  properties?: Record<string, JsonSchema>;
  items?: JsonSchema;
  additionalProperties?: JsonSchema | boolean;
  anyOf?: JsonSchema[];
  required?: string[];
  [keyword: string]: unknown;
}

const printerColumns = [
  { name: 'Phase', type: 'string', jsonPath: '.status.phase' },
  { name: 'Stable', type: 'string', jsonPath: '.status.stableImage' },
  { name: 'Canary', type: 'string', jsonPath: '.status.updateImage' },
  { name: 'Weight', type: 'integer', jsonPath: '.status.traffic.effectiveWeight' },
  { name: 'Ready', type: 'integer', jsonPath: '.status.readyReplicas' },
  { name: 'Migration', type: 'string', jsonPath: '.status.migration.summary' },
  { name: 'Reason', type: 'string', jsonPath: '.status.reason' },
  { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
];

const windowColumns = [
  { name: 'Override', type: 'boolean', jsonPath: '.spec.allowOverride' },
  { name: 'Holds', type: 'string', jsonPath: '.spec.applyTo' },
  { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
];

/** The OpenAPI schema of a whole PcfApi. */
export function pcfApiJsonSchema(): JsonSchema {
  return jsonSchemaOf(pcfApiObject);
}

/** The OpenAPI schema of a whole PcfWindow. */
export function pcfWindowJsonSchema(): JsonSchema {
  return jsonSchemaOf(pcfWindowObject);
}

function jsonSchemaOf(object: z.ZodType): JsonSchema {
  return z.toJSONSchema(object, { target: 'openapi-3.0', io: 'input', reused: 'inline' }) as JsonSchema;
}

/** The structural schema of a PcfApi. */
export function customResourceSchema(): JsonSchema {
  return wholeObject(pcfApiJsonSchema());
}

/**
 * The CustomResourceDefinition of PcfApi, ready to be written as YAML. `version` is the version of this project: an
 * admission policy of the chart compares it, so that an older CRD does not replace a newer one.
 */
export function customResourceDefinition(version: string) {
  return definitionOf(version, {
    names: { kind: KIND, listKind: `${KIND}List`, plural: PLURAL, singular: 'pcfapi', shortNames: ['pcf'] },
    scope: 'Namespaced',
    version: {
      subresources: {
        status: {},
        scale: {
          specReplicasPath: '.spec.replicas',
          statusReplicasPath: '.status.replicas',
          labelSelectorPath: '.status.selector',
        },
      },
      additionalPrinterColumns: printerColumns,
      schema: { openAPIV3Schema: customResourceSchema() },
    },
  });
}

/** The CustomResourceDefinition of PcfWindow. */
export function windowDefinition(version: string) {
  return definitionOf(version, {
    names: {
      kind: WINDOW_KIND,
      listKind: `${WINDOW_KIND}List`,
      plural: WINDOW_PLURAL,
      singular: 'pcfwindow',
      shortNames: ['pcfw'],
    },
    scope: 'Cluster',
    version: {
      additionalPrinterColumns: windowColumns,
      schema: { openAPIV3Schema: wholeObject(pcfWindowJsonSchema()) },
    },
  });
}

interface Definition {
  names: { kind: string; listKind: string; plural: string; singular: string; shortNames: string[] };
  scope: 'Namespaced' | 'Cluster';
  version: {
    subresources?: object;
    additionalPrinterColumns: object[];
    schema: { openAPIV3Schema: JsonSchema };
  };
}

function definitionOf(release: string, { names, scope, version }: Definition) {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: {
      name: `${names.plural}.${GROUP}`,
      labels: { 'app.kubernetes.io/part-of': FIELD_MANAGER, 'app.kubernetes.io/version': release },
    },
    spec: {
      group: GROUP,
      scope,
      names,
      versions: [{ name: VERSION, served: true, storage: true, ...version }],
    },
  };
}

function wholeObject(schema: JsonSchema): JsonSchema {
  const structural = toStructural(schema);
  return {
    ...structural,
    properties: {
      apiVersion: { type: 'string' },
      kind: { type: 'string' },
      metadata: { type: 'object' },
      ...structural.properties,
    },
  };
}

/** Keywords that Kubernetes ignores or rejects. */
const dropped = new Set(['$schema', 'id', 'examples', 'propertyNames']);

/** Converts a schema and its subschemas to structural schemas. */
export function toStructural(schema: JsonSchema): JsonSchema {
  if (schema['x-kubernetes-int-or-string']) return intOrString(schema);
  const out: JsonSchema = {};
  for (const [keyword, value] of Object.entries(schema)) {
    if (!dropped.has(keyword)) out[keyword] = value;
  }
  if (schema.properties) {
    out.properties = mapValues(schema.properties, toStructural);
    if (isAnything(schema.additionalProperties)) out['x-kubernetes-preserve-unknown-fields'] = true;
    delete out.additionalProperties; // strict field validation rejects unknown fields instead
  } else if (typeof schema.additionalProperties === 'object') {
    out.additionalProperties = anythingOrStructural(schema.additionalProperties);
  }
  if (schema.items) out.items = toStructural(schema.items);
  // The API server validates the format, and the equivalent pattern is unreadable.
  if (out.format === 'date-time') delete out.pattern;
  return out;
}

function anythingOrStructural(schema: JsonSchema): JsonSchema {
  if (isAnything(schema)) return { 'x-kubernetes-preserve-unknown-fields': true };
  const holdsAnything = !schema.properties && isAnything(schema.additionalProperties);
  if (holdsAnything) {
    const { maxProperties } = schema;
    const bound = maxProperties === undefined ? {} : { maxProperties };
    return { type: 'object', ...bound, 'x-kubernetes-preserve-unknown-fields': true };
  }
  return toStructural(schema);
}

function isAnything(schema: unknown): boolean {
  return typeof schema === 'object' && schema !== null && Object.keys(schema).length === 0;
}

function intOrString(schema: JsonSchema): JsonSchema {
  const { description, pattern, default: otherwise } = schema;
  const { 'x-kubernetes-validations': validations } = schema;
  // Kubernetes does not allow bounds within anyOf here; each bound applies to only one of the two types.
  const { minimum, maximum } = schema.anyOf?.find(({ type }) => type === 'integer') ?? {};
  const { maxLength } = schema.anyOf?.find(({ type }) => type === 'string') ?? {};
  return {
    ...(description ? { description } : {}),
    ...(otherwise === undefined ? {} : { default: otherwise }),
    anyOf: [{ type: 'integer' }, { type: 'string' }],
    ...{ minimum, maximum, maxLength, pattern },
    'x-kubernetes-int-or-string': true,
    ...(validations ? { 'x-kubernetes-validations': validations } : {}),
  };
}

function mapValues<A, B>(record: Record<string, A>, map: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}
