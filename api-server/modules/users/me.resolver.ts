import type { GraphQLResolveInfo } from 'graphql';
import {
  Ctx,
  Field,
  FieldResolver,
  Info,
  ObjectType,
  Query,
  Resolver,
  Root,
  registerEnumType,
} from 'type-graphql';
import type { Identity } from '../../auth/identity.js';
import { Role, Scope } from '../../auth/roles.js';
import { Allow } from '../../graphql/access.js';
import { selectedFields } from '../../graphql/relay/selection.js';
import { ApiKey } from '../api-keys/api-key.entity.js';
import type { GraphqlContext } from '../context.js';
import { User } from './user.entity.js';

const IdentityKind = { USER: 'USER', API_KEY: 'API_KEY', TOKEN: 'TOKEN', OPEN: 'OPEN' } as const;
registerEnumType(IdentityKind, {
  name: 'IdentityKind',
  description: 'Kind of credential with which a request is authenticated.',
  valuesConfig: {
    USER: { description: 'Access token of a user who logged in at this API.' },
    API_KEY: { description: 'API key of a machine client.' },
    TOKEN: { description: 'Token of another issuer, for example an identity provider.' },
    OPEN: { description: 'No credential: authentication is disabled.' },
  },
});

@ObjectType({ simpleResolvers: true, description: 'Identity of the caller, and its permissions.' })
export class Me {
  @Field(() => IdentityKind, { description: 'Kind of the credential.' })
  kind!: Identity['kind'];

  @Field({ description: 'ID of the caller, in the format of `AuditEvent.actor`.' })
  id!: string;

  @Field({ description: 'Name of the user, key or token subject.' })
  name!: string;

  @Field(() => Role, { description: 'Role of the caller.' })
  role!: Role;

  @Field(() => [Scope], {
    nullable: true,
    description: 'Scopes that restrict the role; null when the caller has all permissions of its role.',
  })
  scopes!: readonly Scope[] | null;

  @Field(() => Date, {
    nullable: true,
    description: 'Time at which the token or key expires; null when it does not expire.',
  })
  expiresAt!: Date | null;

  /** Primary key of the user or API key. */
  uuid?: string;
}

@Resolver(() => Me)
export class MeResolver {
  @Allow(Role.VIEWER, undefined, { personal: true })
  @Query(() => Me, { description: 'Identity of the caller.' })
  me(@Ctx() { identity }: GraphqlContext): Me {
    const { kind, id, name, role, uuid, scopes = null, expiresAt = null } = identity;
    return Object.assign(new Me(), { kind, id, name, role, scopes, expiresAt, uuid });
  }

  @Allow(Role.VIEWER, undefined, { personal: true })
  @FieldResolver(() => User, {
    nullable: true,
    description: 'The user; null when the caller is not a user of this API.',
  })
  async user(
    @Root() { kind, uuid }: Me,
    @Ctx() { loaders }: GraphqlContext,
    @Info() info: GraphQLResolveInfo,
  ): Promise<User | null> {
    return kind === 'USER' && uuid ? loaders.user.load(uuid, selectedFields(info)) : null;
  }

  @Allow(Role.VIEWER, undefined, { personal: true })
  @FieldResolver(() => ApiKey, {
    nullable: true,
    description: 'The API key; null when the caller does not use one.',
  })
  async apiKey(
    @Root() { kind, uuid }: Me,
    @Ctx() { loaders }: GraphqlContext,
    @Info() info: GraphQLResolveInfo,
  ): Promise<ApiKey | null> {
    return kind === 'API_KEY' && uuid ? loaders.apiKey.load(uuid, selectedFields(info)) : null;
  }
}
