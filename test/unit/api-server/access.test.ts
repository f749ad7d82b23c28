import 'reflect-metadata';
import assert from 'node:assert/strict';
import {
  type GraphQLInputType,
  getNamedType,
  graphql,
  isInputObjectType,
  isLeafType,
  isObjectType,
} from 'graphql';
import {
  Arg,
  buildSchemaSync,
  Field,
  getMetadataStorage,
  Mutation,
  ObjectType,
  Query,
  Resolver,
} from 'type-graphql';
import { identity } from '../../../api-server/auth/identity.js';
import { REDACTED, redactInput } from '../../../api-server/auth/redact-input.js';
import { includesRole, Role, Scope } from '../../../api-server/auth/roles.js';
import {
  Allow,
  AllowRead,
  accessOf,
  accessProblems,
  enforceAccess,
} from '../../../api-server/graphql/access.js';
import { type AuditEntry, auditMutations } from '../../../api-server/graphql/audit.js';
import { Node } from '../../../api-server/graphql/relay/node.js';
import { createSchema } from '../../../api-server/modules/schema.js';

const identityWith = (role: Role, scopes?: Scope[]) =>
  identity({ kind: 'TOKEN', id: `token:${role}`, name: role, role, ...(scopes && { scopes }) });

const schema = createSchema(new Map(), async () => undefined);

/** Removes a type from the global metadata. A type that implements Node is added to all later schemas. */
function removeType(type: unknown): void {
  const storage = getMetadataStorage();
  storage.objectTypes = storage.objectTypes.filter(({ target }) => target !== type);
}

describe('api-server access', () => {
  const roots = [schema.getQueryType()!, schema.getMutationType()!, schema.getSubscriptionType()!];
  const fields = roots.flatMap((type) =>
    Object.values(type.getFields()).map((field) => ({ type, field, name: `${type.name}.${field.name}` })),
  );

  it('every field of Query, Mutation and Subscription has a rule', () => {
    assert.ok(fields.length > 30, 'found too few fields');
    for (const { field, name } of fields) assert.ok(accessOf(field), `${name} has no rule`);
    assert.deepEqual([...accessProblems(schema)], []);
  });

  it('every mutation requires at least the role OPERATOR and a scope other than READ', () => {
    for (const { type, field, name } of fields.filter((one) => one.type.name === 'Mutation')) {
      const { role, scope } = accessOf(field)!;
      assert.ok(includesRole(role, Role.OPERATOR), `${name} is open to ${role}`);
      assert.ok(scope && scope !== Scope.READ, `${type.name}.${field.name} has no scope of its own`);
    }
  });

  for (const { field, type, name } of fields) {
    const { role, scope } = accessOf(field)!;
    const below = { VIEWER: undefined, OPERATOR: Role.VIEWER, ADMIN: Role.OPERATOR }[role];
    const others = Object.values(Scope).filter((one) => one !== scope);
    it(`${name} rejects ${[below, scope && 'keys without its scope'].filter(Boolean).join(' and ') || 'no authenticated identity'}`, async () => {
      const call = type.name === 'Subscription' ? field.subscribe! : field.resolve!;
      const errorCodeFor = async (who: ReturnType<typeof identityWith>) => {
        try {
          await call({}, {}, { identity: who }, {} as never);
        } catch (error) {
          return (error as { extensions?: { code?: string } }).extensions?.code;
        }
        return undefined;
      };
      if (below) assert.equal(await errorCodeFor(identityWith(below)), 'FORBIDDEN');
      if (scope) assert.equal(await errorCodeFor(identityWith(Role.ADMIN, others)), 'FORBIDDEN');
      assert.notEqual(await errorCodeFor(identityWith(role, scope && [scope])), 'FORBIDDEN');
    });
  }

  it('every field that returns a Node or a connection requires the scope of its target', async () => {
    const isNode = (type: unknown) =>
      isObjectType(type) && type.getInterfaces().some(({ name }) => name === 'Node');
    const nodeOf = (type: unknown): unknown => {
      if (!isObjectType(type)) return undefined;
      const { edges, node } = type.getFields();
      if (edges) return nodeOf(getNamedType(edges.type));
      return isNode(type) ? type : node && getNamedType(node.type);
    };
    const scopedFields: string[] = [];
    for (const type of Object.values(schema.getTypeMap())) {
      const isList = /(Connection|Edge)$/.test(type.name); // checked at the fields that return it
      if (!isObjectType(type) || roots.includes(type) || isList || type.name.startsWith('__')) continue;
      for (const field of Object.values(type.getFields())) {
        const target = nodeOf(getNamedType(field.type));
        if (!target) {
          if (isNode(type)) assert.ok(isLeafType(getNamedType(field.type)), `${type.name}.${field.name}`);
          continue;
        }
        const { scope } = accessOf(field) ?? accessOf(target as object)!;
        const name: string = `${type.name}.${field.name}`;
        if (!scope) continue; // requires no scope
        scopedFields.push(name);
        const others = Object.values(Scope).filter((one) => one !== scope);
        const errorCodeWith = async (scopes: Scope[]) => {
          try {
            await field.resolve!({}, {}, { identity: identityWith(Role.ADMIN, scopes) }, {} as never);
          } catch (error) {
            return (error as { extensions?: { code?: string } }).extensions?.code;
          }
          return undefined;
        };
        assert.equal(await errorCodeWith(others), 'FORBIDDEN', `${name} is open to keys without ${scope}`);
        assert.notEqual(await errorCodeWith([scope]), 'FORBIDDEN', name);
      }
    }
    for (const field of ['Deployment.environment', 'Environment.deployments', 'Incident.causedBy']) {
      assert.ok(scopedFields.includes(field), `${field} is not found`);
    }
  });

  it('only Query.me is personal, and the cache scope depends on the role and the scopes only', () => {
    const personal = fields.filter(({ field }) => accessOf(field)!.personal).map(({ name }) => name);
    assert.deepEqual(personal, ['Query.me']);
    assert.equal(identityWith(Role.VIEWER).cacheScope, identityWith(Role.VIEWER).cacheScope);
    const scopes = new Set([
      identityWith(Role.VIEWER).cacheScope,
      identityWith(Role.ADMIN).cacheScope,
      identityWith(Role.ADMIN, [Scope.READ]).cacheScope,
      identityWith(Role.ADMIN, [Scope.READ, Scope.ADMIN]).cacheScope,
    ]);
    assert.equal(scopes.size, 4);
    assert.equal(
      identityWith(Role.ADMIN, [Scope.READ, Scope.ADMIN]).cacheScope,
      identityWith(Role.ADMIN, [Scope.ADMIN, Scope.READ]).cacheScope,
    );
  });

  it('rejects a schema with a field that has no rule or that bypasses the rule of its type', () => {
    @ObjectType()
    class Open {
      @Field()
      text!: string;
    }
    @Allow(Role.ADMIN, Scope.ADMIN)
    @ObjectType()
    class Guarded {
      @Field()
      secret!: string;
    }
    @ObjectType()
    class Around {
      @Field(() => Guarded)
      guarded!: Guarded;
    }
    @ObjectType({ implements: Node })
    class Found extends Node {
      @Field(() => Open)
      open!: Open;
    }
    @Resolver()
    class Careless {
      @AllowRead()
      @Query(() => Found)
      found(): Found {
        return new Found();
      }

      @Query(() => Open)
      forgotten(): Open {
        return new Open();
      }

      @AllowRead()
      @Query(() => Guarded)
      tooLow(): Guarded {
        return new Guarded();
      }

      @AllowRead()
      @Query(() => Around)
      around(): Around {
        return new Around();
      }
    }
    const careless = buildSchemaSync({ resolvers: [Careless], validate: false });
    removeType(Found);
    assert.throws(
      () => enforceAccess(careless),
      (error: Error) => {
        assert.match(error.message, /Query.forgotten has no rule/);
        assert.match(error.message, /Found has no rule/);
        assert.match(error.message, /Found.open returns Open, which has no rule/);
        assert.match(error.message, /Query.tooLow gives VIEWER access to a type that requires ADMIN/);
        assert.match(error.message, /Around.guarded returns a type that requires ADMIN/);
        return true;
      },
    );
  });
});

describe('api-server audit', () => {
  it('records each mutation with its actor and outcome, also when it is denied or fails', async () => {
    @Resolver()
    class Things {
      @AllowRead()
      @Query(() => String)
      nothing(): string {
        return '';
      }

      @Allow(Role.OPERATOR, Scope.CATALOG)
      @Mutation(() => String)
      change(@Arg('password') password: string): string {
        if (password === 'fail') throw new Error('it failed');
        return 'done';
      }
    }
    const entries: AuditEntry[] = [];
    const schema = buildSchemaSync({ resolvers: [Things], validate: false });
    enforceAccess(schema);
    auditMutations(schema, async (entry) => void entries.push(entry));
    const run = (role: Role, password: string) =>
      graphql({
        schema,
        source: `mutation { change(password: "${password}") }`,
        contextValue: { identity: identityWith(role) },
      });
    await run(Role.OPERATOR, 'hush');
    await run(Role.OPERATOR, 'fail');
    await run(Role.VIEWER, 'hush');
    assert.deepEqual(
      entries.map(({ actor, action, input, outcome, errorCode }) => [
        actor,
        action,
        input,
        outcome,
        errorCode,
      ]),
      [
        ['token:OPERATOR', 'change', { password: REDACTED }, 'SUCCEEDED', null],
        ['token:OPERATOR', 'change', { password: REDACTED }, 'FAILED', 'INTERNAL_SERVER_ERROR'],
        ['token:VIEWER', 'change', { password: REDACTED }, 'DENIED', 'FORBIDDEN'],
      ],
    );
  });

  it('redactInput: removes password, secret and token fields from the input of every mutation', () => {
    let secrets = 0;
    const walk = (
      type: GraphQLInputType,
      path: string,
      wrap: (value: unknown) => object,
      depth = 0,
    ): void => {
      const named = getNamedType(type);
      if (!isInputObjectType(named) || depth > 4) return;
      for (const field of Object.values(named.getFields())) {
        const within = (value: unknown) => wrap({ [field.name]: value });
        if (/password|secret|token/i.test(field.name)) {
          secrets += 1;
          assert.doesNotMatch(
            JSON.stringify(redactInput(within('hush-hush'))),
            /hush/,
            `${path}.${field.name}`,
          );
        }
        walk(field.type, `${path}.${field.name}`, within, depth + 1);
      }
    };
    for (const mutation of Object.values(schema.getMutationType()!.getFields())) {
      for (const arg of mutation.args) walk(arg.type, mutation.name, (value) => ({ [arg.name]: value }));
    }
    assert.ok(secrets >= 2, 'found too few secret fields');
  });

  it('redactInput: removes credentials from URLs, truncates long strings and replaces characters that PostgreSQL cannot store', () => {
    const input = redactInput({
      url: 'https://user:hush@example.com/hook?token=hush',
      text: `a\0b\ud800${'x'.repeat(10_000)}`,
      deep: [[[[[[[['hush']]]]]]]],
      when: new Date(0),
      none: null,
    }) as Record<string, unknown>;
    assert.equal(input.url, 'https://***@example.com/hook?***');
    assert.ok((input.text as string).length < 600 && (input.text as string).isWellFormed());
    assert.ok(!(input.text as string).includes('\0'));
    assert.doesNotMatch(JSON.stringify(input), /hush/);
    assert.equal(input.when, '1970-01-01T00:00:00.000Z');
    assert.deepEqual(redactInput({ many: Array.from({ length: 90 }, () => 'x'.repeat(400)) }), {
      tooLong: true,
    });
  });
});
