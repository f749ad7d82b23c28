/**
 * Queries of the benchmark. They are generated from the current schema, so that the benchmark
 * continues to work when fields are added. Queries for missing fields are omitted.
 */
import {
  type GraphQLField,
  type GraphQLInputType,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isEnumType,
  isInputObjectType,
  isLeafType,
  isObjectType,
  isRequiredArgument,
  isRequiredInputField,
} from 'graphql';
import type { Seeded } from './data.js';

export interface BenchQuery {
  name: string;
  query: string;
  variables: Record<string, unknown>;
  /** Placeholder in the variables that each request replaces with a unique text. */
  unique?: string;
}

/** Configuration of a peer. */
export interface PeerOrder {
  databaseUrl: string;
  queries: BenchQuery[];
  pool: number;
}

export const UNIQUE = 'bench-unique-text';

export function benchQueries(schema: GraphQLSchema, seeded: Seeded): BenchQuery[] {
  const fields = schema.getQueryType()?.getFields() ?? {};
  const deployment = schema.getType('Deployment') as GraphQLObjectType;
  const few = leaves(deployment).slice(0, 5).join(' ');
  const hundred = `{ deployments(first: 100) { edges { node { ${few} } } } }`;
  const nested = `{ services(first: 10) { edges { node { name
    deployments(first: 5) { edges { node { ${few} service { id name } } } } } } } }`;
  return [
    {
      name: 'one object',
      query: 'query One($id: ID!) { service(id: $id) { id name } }',
      variables: { id: seeded.serviceId },
    },
    { name: '100 rows x 5 fields', query: `query Hundred ${hundred}`, variables: {} },
    { name: 'three levels nested', query: `query Nested ${nested}`, variables: {} },
    ...(fields.deliveryMetrics ? [metricsQuery(fields.deliveryMetrics, seeded)] : []),
    mutation(schema, seeded),
  ];
}

/** Scalar and enum fields, common ones first. */
function leaves(type: GraphQLObjectType): string[] {
  const usual = ['id', 'status', 'startedAt', 'finishedAt', 'version', 'weight', 'reason', 'strategy'];
  const all = Object.values(type.getFields())
    .filter(({ type: of, args }) => isLeafType(getNamedType(of)) && !args.some(isRequiredArgument))
    .map(({ name }) => name);
  return [...usual.filter((name) => all.includes(name)), ...all.filter((name) => !usual.includes(name))];
}

/** Selects all fields of a type without required arguments. */
function selection(type: unknown, depth: number): string {
  if (!isObjectType(type)) return '';
  const fields = Object.values(type.getFields()).filter(({ args }) => !args.some(isRequiredArgument));
  const parts = fields.flatMap(({ name, type: of }) => {
    const named = getNamedType(of);
    if (isLeafType(named)) return [name];
    const inner = depth > 1 ? selection(named, depth - 1) : '';
    return inner ? [`${name} ${inner}`] : [];
  });
  return parts.length > 0 ? `{ ${parts.join(' ')} }` : '';
}

function metricsQuery(field: GraphQLField<unknown, unknown>, seeded: Seeded): BenchQuery {
  const given = field.args.filter(
    (argument) =>
      isRequiredArgument(argument) || valueFor(argument.name, argument.type, seeded) !== undefined,
  );
  const declared = given.map(({ name, type }) => `$${name}: ${String(type)}`).join(', ');
  const passed = given.map(({ name }) => `${name}: $${name}`).join(', ');
  const head =
    given.length > 0
      ? `query Metrics(${declared}) { deliveryMetrics(${passed})`
      : 'query Metrics { deliveryMetrics';
  const variables = Object.fromEntries(given.map(({ name, type }) => [name, valueFor(name, type, seeded)]));
  return {
    name: 'delivery metrics, a year',
    query: `${head} ${selection(getNamedType(field.type), 3)} }`,
    variables,
  };
}

function mutation(schema: GraphQLSchema, seeded: Seeded): BenchQuery {
  const field = schema.getMutationType()?.getFields().recordDeployment;
  const [argument] = field?.args ?? [];
  if (!field || !argument) throw new Error('the schema has no recordDeployment');
  const payload = getNamedType(field.type);
  const result = isObjectType(payload) ? selection(payload, 1) || selection(payload, 2) : '{ __typename }';
  return {
    name: 'a mutation',
    query: `mutation Record($input: ${String(argument.type)}) { recordDeployment(${argument.name}: $input) ${result} }`,
    variables: { input: valueFor('input', argument.type, seeded) },
    unique: UNIQUE,
  };
}

/** A value for an argument or input field, by its name or otherwise by its type. */
function valueFor(name: string, type: GraphQLInputType, seeded: Seeded): unknown {
  const named = getNamedType(type);
  if (isInputObjectType(named)) {
    const fields = Object.values(named.getFields());
    const values = fields.map((field) => [
      field.name,
      isRequiredInputField(field) || ['version', 'startedAt'].includes(field.name)
        ? valueFor(field.name, field.type, seeded)
        : undefined,
    ]);
    return Object.fromEntries(values.filter(([, value]) => value !== undefined));
  }
  const known: Record<string, unknown> = {
    service: seeded.serviceId,
    serviceId: seeded.serviceId,
    environment: seeded.environmentId ?? seeded.environment,
    environmentId: seeded.environmentId,
    version: '1.0.0',
    commit: '4f2c1e9',
    imageDigest: `sha256:${'0'.repeat(64)}`,
    idempotencyKey: UNIQUE,
    startedAt: seeded.from, // long ago, so that the newest rows are the same for every subject
    from: seeded.from,
    to: seeded.to,
  };
  if (Object.hasOwn(known, name)) return known[name];
  if (name === 'bucket' && isEnumType(named)) {
    const values = named.getValues().map(({ name: value }) => value);
    return values.find((value) => value === 'WEEK') ?? values[0];
  }
  return getNullableType(type) === type ? undefined : isEnumType(named) ? named.getValues()[0]?.name : UNIQUE;
}
