import type { GraphQLResolveInfo } from 'graphql';
import { Arg, Args, Ctx, ID, Info, Mutation, Query, Resolver } from 'type-graphql';
import { Role, Scope } from '../../auth/roles.js';
import { oneOf, present } from '../../database/conditions.js';
import type { DataSource } from '../../database/pool/data-source.js';
import { badUserInput } from '../../errors.js';
import { Allow, AllowRead } from '../../graphql/access.js';
import type { Page } from '../../graphql/relay/connection.js';
import { uuidOf } from '../../graphql/relay/global-id.js';
import { listQuery, rootPage } from '../../graphql/relay/list.js';
import { selectedFields } from '../../graphql/relay/selection.js';
import type { GraphqlContext } from '../context.js';
import { Environment, EnvironmentConnection, environmentType } from './environment.entity.js';
import {
  ArchiveEnvironmentInput,
  CreateEnvironmentInput,
  EnvironmentsArgs,
  UpdateEnvironmentInput,
} from './environment.inputs.js';
import type { EnvironmentService } from './environment.service.js';

@Resolver(() => Environment)
export class EnvironmentResolver {
  constructor(
    private readonly dataSource: DataSource,
    private readonly environments: EnvironmentService,
  ) {}

  @AllowRead()
  @Query(() => Environment, {
    nullable: true,
    description: 'The environment with this ID or this name; null when it does not exist.',
  })
  async environment(
    @Arg('id', () => ID, { nullable: true, description: 'ID of the environment. Excludes `name`.' }) id:
      | string
      | null
      | undefined,
    @Arg('name', () => String, { nullable: true, description: 'Name of the environment. Excludes `id`.' })
    name: string | null | undefined,
    @Ctx() { loaders }: GraphqlContext,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Environment | null> {
    const fields = selectedFields(info);
    if (id != null && name == null) return loaders.environment.load(uuidOf('Environment', id, 'id'), fields);
    if (name != null && id == null) return loaders.environmentByName.load(name, fields);
    throw badUserInput({ field: 'id', message: 'specify exactly one of id and name' });
  }

  @AllowRead()
  @Query(() => EnvironmentConnection, { name: 'environments', description: 'Lists environments, by name.' })
  async all(
    @Args(() => EnvironmentsArgs) args: EnvironmentsArgs,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Page<Environment>> {
    const { name, archived } = args.filter;
    const where = [...oneOf<Environment>('name', name), ...present<Environment>('archivedAt', archived)];
    return rootPage(this.dataSource, environmentType, listQuery(environmentType, args, where, info));
  }

  @Allow(Role.OPERATOR, Scope.CATALOG)
  @Mutation(() => Environment, {
    description: 'Creates an environment. Fails with CONFLICT when the name exists.',
  })
  async createEnvironment(
    @Arg('input', () => CreateEnvironmentInput, { description: 'Properties of the environment.' })
    input: CreateEnvironmentInput,
  ): Promise<Environment> {
    return this.environments.create(input);
  }

  @Allow(Role.OPERATOR, Scope.CATALOG)
  @Mutation(() => Environment, { description: 'Updates an environment.' })
  async updateEnvironment(
    @Arg('input', () => UpdateEnvironmentInput, { description: 'The environment and its new values.' })
    input: UpdateEnvironmentInput,
  ): Promise<Environment> {
    return this.environments.update(input);
  }

  @Allow(Role.OPERATOR, Scope.CATALOG)
  @Mutation(() => Environment, {
    description:
      'Archives or restores an environment. Lists omit archived environments by default, and deployments to them are rejected. No data is deleted.',
  })
  async archiveEnvironment(
    @Arg('input', () => ArchiveEnvironmentInput, {
      description: 'The environment, and whether to archive or restore it.',
    })
    input: ArchiveEnvironmentInput,
  ): Promise<Environment> {
    return this.environments.archive(input);
  }
}
