/** Generated files of the charts: Helm reads only files in the folder of a chart. */
import { readFileSync } from 'node:fs';
import type { JsonSchema } from '../operator/api/v1alpha1/crd.js';
import { customResourceSchema } from '../operator/api/v1alpha1/crd.js';

const OPERATOR = 'deploy/helm/pcf-operator';
const API = 'deploy/helm/pcf-api';

/** Values of the chart; the other values are fields of the spec. */
const chartValues: Record<string, JsonSchema> = {
  nameOverride: { type: 'string', description: "Name of the PcfApi; the release's, if left out." },
  labels: { type: 'object', additionalProperties: { type: 'string' }, description: 'Labels of the PcfApi.' },
  annotations: {
    type: 'object',
    additionalProperties: { type: 'string' },
    description: 'Annotations of the PcfApi.',
  },
  global: { type: 'object', description: "Helm's own." },
};

/** Path relative to the repository -> content. `crds`: name of each CRD file -> content. */
export function chartFiles(crds: Record<string, string>): Record<string, string> {
  const copies = Object.entries(crds).map(([file, text]) => [`${OPERATOR}/files/${file}`, text]);
  return {
    ...Object.fromEntries(copies),
    [`${OPERATOR}/files/pcf.json`]: readFileSync('deploy/dashboards/pcf.json', 'utf8'),
    [`${OPERATOR}/files/pcf.rules.yaml`]: readFileSync('deploy/alerts/pcf.rules.yaml', 'utf8'),
    [`${API}/values.schema.json`]: `${JSON.stringify(apiValuesSchema(), null, 2)}\n`,
  };
}

/** Schema of `spec` from the CRD, and additional values of the chart. */
function apiValuesSchema(): JsonSchema {
  const spec = strict(customResourceSchema().properties!.spec!);
  const taken = Object.keys(chartValues).filter((name) => name in spec.properties!);
  if (taken.length > 0) throw new Error(`spec.${taken.join(', ')} would hide a value of the chart pcf-api`);
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Values of the chart pcf-api',
    ...spec,
    description: 'The fields of spec of a PcfApi.',
    properties: { ...chartValues, ...spec.properties },
  };
}

/** Rejects unknown fields, like the API server, and omits keywords of the API server. */
function strict(schema: JsonSchema): JsonSchema {
  const out: JsonSchema = {};
  for (const [keyword, value] of Object.entries(schema)) {
    if (!keyword.startsWith('x-kubernetes-')) out[keyword] = value;
  }
  if (schema.properties) {
    const entries = Object.entries(schema.properties);
    out.properties = Object.fromEntries(entries.map(([name, property]) => [name, strict(property)]));
    out.additionalProperties = schema['x-kubernetes-preserve-unknown-fields'] === true;
  } else if (typeof schema.additionalProperties === 'object') {
    out.additionalProperties = strict(schema.additionalProperties);
  }
  if (schema.items) out.items = strict(schema.items);
  return out;
}
