import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

interface Schema {
  description?: string;
  properties?: Record<string, Schema>;
  items?: Schema;
  additionalProperties?: Schema | boolean;
}

/** Each field of a schema with its path, except the fields of every Kubernetes object. */
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

/** Kind -> minimum number of its fields: a traversal that finds none would pass. */
for (const [kind, least] of Object.entries({ pcfapis: 400, pcfwindows: 15 }))
  describe(`CRD ${kind}`, () => {
    const crd = parse(readFileSync(`crds/pcf.dev_${kind}.yaml`, 'utf8')) as {
      spec: { versions: { name: string; schema: { openAPIV3Schema: Schema } }[] };
    };

    for (const { name, schema } of crd.spec.versions) {
      it(`has a description for each field: ${name}`, () => {
        const fields = fieldsOf(schema.openAPIV3Schema);
        assert.ok(fields.length > least, `${fields.length} fields`);
        const undescribed = fields.filter(
          ([, { description = '' }]) => !/^.+[.:`]$/s.test(description.trim()),
        );
        assert.deepEqual(
          undescribed.map(([path, { description }]) => `${path}: ${description}`),
          [],
        );
      });
    }
  });
