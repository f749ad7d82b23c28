import type { GraphQLResolveInfo } from 'graphql';
import { Arg, Args, Ctx, Info, Mutation, Query, Resolver } from 'type-graphql';
import { Role, Scope } from '../../auth/roles.js';
import { oneOf, present } from '../../database/conditions.js';
import type { DataSource } from '../../database/pool/data-source.js';
import { Allow } from '../../graphql/access.js';
import type { Page } from '../../graphql/relay/connection.js';
import { listQuery, rootPage } from '../../graphql/relay/list.js';
import type { GraphqlContext } from '../context.js';
import { ApiKey, ApiKeyConnection, apiKeyType } from './api-key.entity.js';
import {
  ApiKeysArgs,
  ApiKeyWithSecret,
  CreateApiKeyInput,
  RevokeApiKeyInput,
  UpdateApiKeyInput,
} from './api-key.inputs.js';
import type { ApiKeyService } from './api-key.service.js';

@Resolver(() => ApiKey)
export class ApiKeyResolver {
  constructor(
    private readonly dataSource: DataSource,
    private readonly keys: ApiKeyService,
  ) {}

  @Allow(Role.ADMIN, Scope.ADMIN)
  @Query(() => ApiKeyConnection, { name: 'apiKeys', description: 'Lists API keys, oldest first.' })
  async all(
    @Args(() => ApiKeysArgs) args: ApiKeysArgs,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Page<ApiKey>> {
    const { revoked, role } = args.filter ?? {};
    const where = [...present<ApiKey>('revokedAt', revoked), ...oneOf<ApiKey>('role', role)];
    return rootPage(this.dataSource, apiKeyType, listQuery(apiKeyType, args, where, info));
  }

  @Allow(Role.ADMIN, Scope.ADMIN)
  @Mutation(() => ApiKeyWithSecret, {
    description: 'Creates an API key. The response contains the key; it is returned only once.',
  })
  async createApiKey(
    @Arg('input', () => CreateApiKeyInput, { description: 'Properties of the new API key.' })
    input: CreateApiKeyInput,
    @Ctx() { identity }: GraphqlContext,
  ): Promise<ApiKeyWithSecret> {
    return this.keys.create(input, identity.id);
  }

  @Allow(Role.ADMIN, Scope.ADMIN)
  @Mutation(() => ApiKey, {
    description: 'Updates an API key. The new permissions take effect in all processes within seconds.',
  })
  async updateApiKey(
    @Arg('input', () => UpdateApiKeyInput, { description: 'The API key and its new values.' })
    input: UpdateApiKeyInput,
  ): Promise<ApiKey> {
    return this.keys.update(input);
  }

  @Allow(Role.ADMIN, Scope.ADMIN)
  @Mutation(() => ApiKey, {
    description: 'Revokes an API key permanently. All processes reject it within seconds.',
  })
  async revokeApiKey(
    @Arg('input', () => RevokeApiKeyInput, { description: 'The API key to revoke.' })
    input: RevokeApiKeyInput,
  ): Promise<ApiKey> {
    return this.keys.revoke(input);
  }
}
