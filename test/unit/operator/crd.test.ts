import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

interface Schema {
  description?: string;
  properties?: Record<string, Schema>;
  items?: Schema;
  additionalProperties?: Schema | boolean;
}

/** Each field of a schema with its path; those that every kind of Kubernetes has aside. */
function fieldsOf(schema: Schema, path = ''): [string, Schema][] {
  const { properties = {}, items, additionalProperties } = schema;
  const beneath = [items, typeof additionalProperties === 'object' ? additionalProperties : undefined];
  return [
    ...Object.entries(properties)
      .filter(([name]) => path !== '' || name === 'spec' || name === 'status')
      .flatMap(([name, field]): [string, Schema][] => {
        const at = `${path}.${name}`;
        return [[at, field], ...fieldsOf(field, at)];
      }),
    ...beneath.flatMap((inner) => (inner ? fieldsOf(inner, `${path}[]`) : [])),
  ];
}

describe('the schema of a PcfApi', () => {
  const crd = parse(readFileSync('crds/pcf.dev_pcfapis.yaml', 'utf8')) as {
    spec: { versions: { name: string; schema: { openAPIV3Schema: Schema } }[] };
  };

  for (const { name, schema } of crd.spec.versions) {
    it(`says of each field what it is for: ${name}`, () => {
      const fields = fieldsOf(schema.openAPIV3Schema);
      assert.ok(fields.length > 400, `${fields.length} fields`);
      const silent = fields.filter(([, { description = '' }]) => !/^.+[.:`]$/s.test(description.trim()));
      assert.deepEqual(
        silent.map(([path, { description }]) => `${path}: ${description}`),
        [],
      );
    });
  }
});
