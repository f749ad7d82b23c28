/** Sends null for each argument, input field and list item, as a variable with a default value. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import {
  buildSchema,
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLInputField,
  type GraphQLInputType,
  getNamedType,
  getNullableType,
  isCompositeType,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
  isObjectType,
} from 'graphql';
import { ApiProcess } from './api-process.js';
import { migratedDatabase } from './migrated-database.js';

type Input = GraphQLArgument | GraphQLInputField;

const schema = buildSchema(readFileSync('api-server/schema.graphql', 'utf8'));
const CODES = ['BAD_USER_INPUT', 'NOT_FOUND', 'CONFLICT'];
const STRINGS: Record<string, string> = {
  environment: 'production',
  url: 'https://example.com/hook',
  repository: 'https://example.com/repository',
  email: 'ada@example.com',
  commit: '4f2c1e9',
  imageDigest: `sha256:${'0'.repeat(64)}`,
  password: 'a long enough password',
};

describe('api-server: null as input', () => {
  let api: ApiProcess;
  /** IDs by the name of their type. */
  const ids: Record<string, string> = {};

  before(async () => {
    api = await ApiProcess.start({ PCF_API__DATABASE__URL: await migratedDatabase() });
    await api.waitForReady();
    const create = async (mutation: string, path = 'id') => {
      const { data, errors } = await api.graphql(`mutation { made: ${mutation} { ${path} } }`);
      assert.deepEqual(errors, []);
      return data.made.id ?? Object.values<{ id: string }>(data.made)[0]?.id;
    };
    ids.Service = await create('createService(input: { name: "web" })');
    ids.Environment = await create('createEnvironment(input: { name: "staging" })');
    const common = `serviceId: "${ids.Service}", environment: "production", idempotencyKey: "k"`;
    ids.Deployment = await create(`recordDeployment(input: { ${common}, version: "1.0.0" })`);
    ids.Release = await create(`createRelease(input: { serviceId: "${ids.Service}", version: "2.0.0" })`);
    ids.Incident = await create(`openIncident(input: { ${common}, title: "down", severity: LOW })`);
    ids.User = await create('createUser(input: { email: "a@example.com", name: "a", role: ADMIN })');
    ids.ApiKey = await create('createApiKey(input: { name: "ci", role: VIEWER })', 'apiKey { id }');
    const webhook = '(input: { url: "https://example.com/", events: [DEPLOYMENT_RECORDED] })';
    ids.Webhook = await create(`createWebhook${webhook}`, 'webhook { id }');
  });
  after(() => api?.kill());

  /** The ID whose type is part of the name of the argument, or else of the field. */
  const idFor = (name: string, field: string): string => {
    const types = Object.keys(ids).sort((a, b) => b.length - a.length);
    const isIn = (text: string) => types.find((type) => text.toLowerCase().includes(type.toLowerCase()));
    return ids[isIn(name) ?? isIn(field) ?? 'Service'] as string;
  };

  /** Literal with the required inputs, and the variable at `path`. */
  const literal = (
    type: GraphQLInputType,
    name: string,
    field: string,
    path: readonly string[] | undefined,
  ): string => {
    if (path?.length === 0) return '$value';
    const nullable = getNullableType(type);
    if (isListType(nullable)) return `[${literal(nullable.ofType, name, field, path?.slice(1))}]`;
    if (isInputObjectType(nullable)) return `{ ${inputs(Object.values(nullable.getFields()), field, path)} }`;
    if (isEnumType(nullable)) return nullable.getValues()[0]!.name;
    if (nullable.name === 'ID') return JSON.stringify(idFor(name, field));
    if (nullable.name === 'Int') return '1';
    if (nullable.name === 'Boolean') return 'true';
    if (nullable.name === 'DateTimeISO')
      return name === 'from' ? '"2026-01-01T00:00:00Z"' : '"2999-01-01T00:00:00Z"';
    return JSON.stringify(STRINGS[name] ?? name.toLowerCase());
  };
  const inputs = (all: readonly Input[], field: string, path: readonly string[] | undefined): string =>
    all
      .filter(
        ({ name, type, defaultValue }) =>
          name === path?.[0] || (isNonNullType(type) && defaultValue === undefined),
      )
      .map(
        ({ name, type }) =>
          `${name}: ${literal(type, name, field, name === path?.[0] ? path.slice(1) : undefined)}`,
      )
      .join(', ');

  const operations = [
    ...fieldsOf('Query').map((field) => ['query', 'Query', field, (call: string) => call] as const),
    ...fieldsOf('Mutation').map((field) => ['mutation', 'Mutation', field, (call: string) => call] as const),
    ...Object.values(schema.getTypeMap())
      .filter((type) => isObjectType(type) && type.getInterfaces().length > 0)
      .flatMap(({ name: type }) =>
        fieldsOf(type).map((field) => {
          const inside = (call: string) =>
            `node(id: "${ids[type] ?? ids.Service}") { ... on ${type} { ${call} } }`;
          return ['query', type, field, inside] as const;
        }),
      ),
  ];

  for (const [kind, owner, field, inside] of operations) {
    const paths = field.args.flatMap((arg) => pathsIn(arg));
    if (paths.length === 0) continue;
    it(`null in the arguments of ${owner}.${field.name} is valid or BAD_USER_INPUT`, async () => {
      const isComposite = isCompositeType(getNamedType(field.type));
      for (const { path, type } of paths) {
        const call = `${field.name}(${inputs(field.args, field.name, path)})${isComposite ? ' { __typename }' : ''}`;
        const nullable = getNullableType(type);
        const value = literal(
          nullable,
          path.at(-1) === '0' ? path.at(-2)! : path.at(-1)!,
          field.name,
          undefined,
        );
        const query = `${kind} ($value: ${nullable} = ${value}) { ${inside(call)} }`;
        const { status, errors } = await api.graphql(query, { value: null });
        assert.equal(status, 200, `${query} ${JSON.stringify(errors)}`);
        for (const { message, extensions } of errors) {
          assert.ok(CODES.includes(String(extensions.code)), `${query}: ${message} ${extensions.code}`);
        }
        if (isNonNullType(type)) assert.equal(errors[0]?.extensions.code, 'BAD_USER_INPUT', query);
      }
    });
  }
});

function fieldsOf(type: string): GraphQLField<unknown, unknown>[] {
  const found = schema.getType(type);
  return isObjectType(found) ? Object.values(found.getFields()) : [];
}

interface Place {
  path: string[];
  type: GraphQLInputType;
}

/** Paths of an argument or input field, and of all nested fields. */
function pathsIn({ name, type }: Input, depth = 0): Place[] {
  const nullable = getNullableType(type);
  const items: Place[] = isListType(nullable) ? [{ path: [name, '0'], type: nullable.ofType }] : [];
  const inner: Place[] =
    isInputObjectType(nullable) && depth < 3
      ? Object.values(nullable.getFields()).flatMap((field) =>
          pathsIn(field, depth + 1).map(({ path, type }) => ({ path: [name, ...path], type })),
        )
      : [];
  return [{ path: [name], type }, ...items, ...inner];
}
