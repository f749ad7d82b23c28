/**
 * Access rules. Every field of Query, Mutation and Subscription needs a rule, and so does every
 * type that `node` returns. Building a schema with a missing rule fails, so that a forgotten rule
 * cannot grant access. A field that returns another type has the rule of that type, so that the
 * result of a mutation does not bypass the scope READ.
 */
import {
  defaultFieldResolver,
  GraphQLError,
  type GraphQLField,
  type GraphQLFieldResolver,
  type GraphQLNamedType,
  type GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLSchema,
  getNamedType,
  isCompositeType,
  isObjectType,
} from 'graphql';
import { Extensions } from 'type-graphql';
import type { Identity } from '../auth/identity.js';
import { includesRole, Role, Scope } from '../auth/roles.js';
import { CODES } from '../errors.js';

export interface AccessRule {
  role: Role;
  /** Scope that an API key with scopes needs; undefined when it needs none. */
  scope?: Scope;
  /** The result differs per identity, so a cache must not share it. */
  personal?: boolean;
}

interface Extended {
  extensions: { access?: AccessRule };
}

interface AccessContext {
  identity: Identity;
}

type Resolver = GraphQLFieldResolver<unknown, AccessContext>;

/** Sets the access rule of a resolver or of an object type. */
export function Allow(role: Role, scope?: Scope, more: { personal?: boolean } = {}) {
  return Extensions({ access: { role, scope, ...more } satisfies AccessRule });
}

/** Readable by every authenticated identity. */
export function AllowRead() {
  return Allow(Role.VIEWER, Scope.READ);
}

export function accessOf(extended: object | null | undefined): AccessRule | undefined {
  return (extended as Extended | null | undefined)?.extensions.access;
}

/** Throws FORBIDDEN with the missing permission. */
export function requireAccess(who: Identity, { role, scope }: AccessRule): void {
  if (!includesRole(who.role, role))
    throw forbidden(`requires the role ${role}; the caller has the role ${who.role}`);
  if (scope && who.scopes && !who.scopes.includes(scope)) {
    throw forbidden(`requires an API key with the scope ${scope}; the key has ${who.scopes.join(', ')}`);
  }
}

export function forbidden(message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code: CODES.forbidden } });
}

/** Applies the access rules to the schema. Throws when a rule is missing. */
export function enforceAccess(schema: GraphQLSchema): void {
  const wrong = [...accessProblems(schema)];
  if (wrong.length > 0) throw new Error(`incomplete access rules (@Allow): ${wrong.join('; ')}`);
  for (const type of objectTypes(schema)) {
    for (const field of Object.values(type.getFields())) {
      const rule = ruleOfField(schema, type, field);
      if (!rule) continue;
      field.resolve = guarded((field.resolve ?? defaultFieldResolver) as Resolver, rule);
      if (field.subscribe) field.subscribe = guarded(field.subscribe as Resolver, rule);
    }
  }
}

/**
 * The rule of the field, or that of the type it returns. Edges and nodes need none: the field that
 * returns the connection has it.
 */
function ruleOfField(
  schema: GraphQLSchema,
  type: GraphQLObjectType,
  field: GraphQLField<unknown, unknown>,
): AccessRule | undefined {
  const own = accessOf(field);
  return own || rootsOf(schema).includes(type) || listed(type) ? own : ruleOf(getNamedType(field.type));
}

function guarded(resolve: Resolver, rule: AccessRule): Resolver {
  return (source, args, context, info) => {
    requireAccess(context.identity, rule);
    return resolve(source, args, context, info);
  };
}

/** Missing rules, and rules that another field bypasses. */
export function* accessProblems(schema: GraphQLSchema): Generator<string> {
  for (const type of objectTypes(schema)) {
    const isRoot = rootsOf(schema).includes(type);
    const isNode = type.getInterfaces().some(({ name }) => name === 'Node');
    if (isNode && !accessOf(type)) yield `${type.name} has no rule`;
    for (const field of Object.values(type.getFields())) {
      const name = `${type.name}.${field.name}`;
      const target = getNamedType(field.type);
      const rule = accessOf(field);
      const needed = restriction(target);
      if (isRoot && !rule) yield `${name} has no rule`;
      else if (isRoot && needed && !includesRole(rule!.role, needed.role)) {
        yield `${name} gives ${rule!.role} access to a type that requires ${needed.role}`;
      } else if (rule || listed(type)) continue;
      else if (isNode && isCompositeType(target) && !ruleOf(target)) {
        yield `${name} returns ${target.name}, which has no rule`;
      } else if (needed && !restriction(type)) {
        yield `${name} returns a type that requires ${needed.role}`;
      }
    }
  }
}

/** The rule of a type that requires more than read access. */
function restriction(type: GraphQLNamedType): AccessRule | undefined {
  const rule = ruleOf(type);
  return rule && (rule.role !== Role.VIEWER || rule.scope !== Scope.READ) ? rule : undefined;
}

/** The rule of a type. Connections and edges have the rule of their nodes. */
function ruleOf(type: GraphQLNamedType): AccessRule | undefined {
  if (!isObjectType(type)) return undefined;
  const inner = listed(type);
  return accessOf(type) ?? (inner && accessOf(getNamedType(nodeOf(inner))));
}

/** The field of a connection or edge that returns its nodes; undefined for other types. */
function listed(type: GraphQLObjectType): GraphQLField<unknown, unknown> | undefined {
  const { edges, node, cursor } = type.getFields();
  return edges ?? (cursor && node);
}

function nodeOf(field: GraphQLField<unknown, unknown>): GraphQLOutputType {
  const type = getNamedType(field.type);
  const inner = field.name === 'edges' && isObjectType(type) ? type.getFields().node : undefined;
  return inner?.type ?? field.type;
}

function rootsOf(schema: GraphQLSchema): unknown[] {
  return [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()];
}

function objectTypes(schema: GraphQLSchema): GraphQLObjectType[] {
  return Object.values(schema.getTypeMap()).filter(
    (type): type is GraphQLObjectType => isObjectType(type) && !type.name.startsWith('__'),
  );
}
