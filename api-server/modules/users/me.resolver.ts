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
import { Allow } from '../../platform/auth/access.js';
import type { Identity } from '../../platform/auth/identity.js';
import { Role, Scope } from '../../platform/auth/roles.js';
import { selectedFields } from '../../platform/graphql/relay/selection.js';
import { ApiKey } from '../api-keys/api-key.entity.js';
import type { GraphqlContext } from '../context.js';
import { User } from './user.entity.js';

const IdentityKind = { USER: 'USER', API_KEY: 'API_KEY', TOKEN: 'TOKEN', OPEN: 'OPEN' } as const;
registerEnumType(IdentityKind, {
  name: 'IdentityKind',
  valuesConfig: {
    USER: { description: 'A user who logged in here.' },
    API_KEY: { description: 'A program with an API key.' },
    TOKEN: { description: "A token of somebody else's, such as an identity provider's." },
    OPEN: { description: 'Anybody: this API asks nobody who they are.' },
  },
});

@ObjectType({ simpleResolvers: true, description: 'Who sends this request, and what they may do.' })
export class Me {
  @Field(() => IdentityKind)
  kind!: Identity['kind'];

  @Field({ description: 'As in the audit.' })
  id!: string;

  @Field()
  name!: string;

  @Field(() => Role)
  role!: Role;

  @Field(() => [Scope], { nullable: true, description: 'Null: all that the role may.' })
  scopes!: readonly Scope[] | null;

  @Field(() => Date, { nullable: true, description: 'When the token or key ends.' })
  expiresAt!: Date | null;

  /** Of the user or the key. */
  uuid?: string;
}

@Resolver(() => Me)
export class MeResolver {
  @Allow(Role.VIEWER, undefined, { personal: true })
  @Query(() => Me, { description: 'Who you are to this API.' })
  me(@Ctx() { identity }: GraphqlContext): Me {
    const { kind, id, name, role, uuid, scopes = null, expiresAt = null } = identity;
    return Object.assign(new Me(), { kind, id, name, role, scopes, expiresAt, uuid });
  }

  @Allow(Role.VIEWER, undefined, { personal: true })
  @FieldResolver(() => User, { nullable: true })
  async user(
    @Root() { kind, uuid }: Me,
    @Ctx() { loaders }: GraphqlContext,
    @Info() info: GraphQLResolveInfo,
  ): Promise<User | null> {
    return kind === 'USER' && uuid ? loaders.user.load(uuid, selectedFields(info)) : null;
  }

  @Allow(Role.VIEWER, undefined, { personal: true })
  @FieldResolver(() => ApiKey, { nullable: true })
  async apiKey(
    @Root() { kind, uuid }: Me,
    @Ctx() { loaders }: GraphqlContext,
    @Info() info: GraphQLResolveInfo,
  ): Promise<ApiKey | null> {
    return kind === 'API_KEY' && uuid ? loaders.apiKey.load(uuid, selectedFields(info)) : null;
  }
}
