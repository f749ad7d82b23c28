import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { type Body, type Resource, terraformResources } from '../../support/fixtures/terraform.js';

type Block = {
  attributes: Record<string, { required?: true; optional?: true }>;
  block_types?: Record<string, { min_items?: number; max_items?: number; block: Block }>;
};
type Provider = Record<'resource_schemas' | 'data_source_schemas', Record<string, { block: Block }>>;

const schemas = JSON.parse(readFileSync('test/fixtures/terraform/schemas.json', 'utf8')) as Record<
  string,
  Provider
>;
const META_ARGUMENTS = [
  'count',
  'for_each',
  'depends_on',
  'lifecycle',
  'provider',
  'provisioner',
  'connection',
];
/** The resource of Terraform itself. */
const BUILT_IN = 'terraform_data';

function schemaOf({ kind, type }: Pick<Resource, 'kind' | 'type'>): Block | undefined {
  const provider = schemas[type.split('_')[0]!];
  return provider?.[kind === 'resource' ? 'resource_schemas' : 'data_source_schemas'][type]?.block;
}

/** Names and contents of the blocks of a body, dynamic blocks included. */
function blocksOf(body: Body): { name: string; body: Body }[] {
  const dynamic = Object.entries((body.dynamic ?? {}) as Record<string, { content: Body[] }[]>);
  return [
    ...(Object.entries(body).filter(([name]) => name !== 'dynamic') as [string, Body[]][]),
    ...dynamic.map(([name, blocks]) => [name, blocks.flatMap(({ content }) => content)] as [string, Body[]]),
  ].flatMap(([name, bodies]) =>
    Array.isArray(bodies) ? bodies.map((content) => ({ name, body: content })) : [],
  );
}

/** Unknown and missing arguments of a body, in all of its blocks. */
function findings(body: Body, schema: Block, path: string): string[] {
  const blocks = schema.block_types ?? {};
  const given = blocksOf(body).filter(({ name }) => name in blocks);
  const names = new Set([
    ...Object.keys(body).filter((name) => name !== 'dynamic'),
    ...given.map(({ name }) => name),
  ]);
  const dynamic = Object.keys((body.dynamic ?? {}) as Body);
  return [
    ...[...names, ...dynamic]
      .filter(
        (name) =>
          !(name in blocks) && !(schema.attributes[name]?.required || schema.attributes[name]?.optional),
      )
      .map((name) => `${path}: unknown argument ${name}`),
    ...Object.entries(schema.attributes)
      .filter(([name, { required }]) => required && !names.has(name))
      .map(([name]) => `${path}: missing argument ${name}`),
    ...Object.entries(blocks)
      .filter(([name, { min_items: minimum }]) => minimum && !names.has(name))
      .map(([name]) => `${path}: missing block ${name}`),
    ...given.flatMap((block) => findings(block.body, blocks[block.name]!.block, `${path}.${block.name}`)),
  ];
}

function check(resource: Resource): string[] {
  const path = `${resource.file}: ${resource.type}.${resource.name}`;
  const schema = schemaOf(resource);
  if (!schema) return [`${path}: no schema; run node dist/scripts/terraform-schemas.js`];
  const body = Object.fromEntries(
    Object.entries(resource.body).filter(([name]) => !META_ARGUMENTS.includes(name)),
  );
  return findings(body, schema, path);
}

describe('deploy/terraform, compared with the schemas of the providers', () => {
  it('has no unknown and no missing argument', async () => {
    const resources = (await terraformResources()).filter(({ type }) => type !== BUILT_IN);
    assert.ok(resources.length > 100, `only ${resources.length} resources were found`);
    assert.deepEqual(resources.flatMap(check), []);
  });

  it('reports a misspelled argument, a missing one, and those of nested blocks', () => {
    const body = {
      nam: 'a',
      ip_configuration: 1,
      settings: [{ backup_configuration: [{ enable: true }], dynamic: { insights: [{ content: [{}] }] } }],
    };
    const found = check({
      file: 'x.tf',
      kind: 'resource',
      type: 'google_sql_database_instance',
      name: 'x',
      body,
    });
    assert.deepEqual(found.toSorted(), [
      'x.tf: google_sql_database_instance.x.settings.backup_configuration: unknown argument enable',
      'x.tf: google_sql_database_instance.x.settings: missing argument tier',
      'x.tf: google_sql_database_instance.x.settings: unknown argument insights',
      'x.tf: google_sql_database_instance.x: missing argument database_version',
      'x.tf: google_sql_database_instance.x: unknown argument ip_configuration',
      'x.tf: google_sql_database_instance.x: unknown argument nam',
    ]);
  });
});
