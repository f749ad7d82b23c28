import type { GraphQLResolveInfo } from 'graphql';
import { Arg, Args, Ctx, ID, Info, Mutation, Query, Resolver } from 'type-graphql';
import type { DataSource } from 'typeorm';
import { Allow, AllowRead } from '../../platform/auth/access.js';
import { Role, Scope } from '../../platform/auth/roles.js';
import { oneOf, present } from '../../platform/database/conditions.js';
import { badUserInput } from '../../platform/graphql/errors.js';
import type { Page } from '../../platform/graphql/relay/connection.js';
import { uuidOf } from '../../platform/graphql/relay/global-id.js';
import { listQuery, rootPage } from '../../platform/graphql/relay/list.js';
import { selectedFields } from '../../platform/graphql/relay/selection.js';
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
  @Query(() => Environment, { nullable: true, description: 'One environment, by its id or by its name.' })
  async environment(
    @Arg('id', () => ID, { nullable: true }) id: string | null | undefined,
    @Arg('name', () => String, { nullable: true }) name: string | null | undefined,
    @Ctx() { loaders }: GraphqlContext,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Environment | null> {
    const fields = selectedFields(info);
    if (id != null && name == null) return loaders.environment.load(uuidOf('Environment', id, 'id'), fields);
    if (name != null && id == null) return loaders.environmentByName.load(name, fields);
    throw badUserInput({ field: 'id', message: 'give either id or name' });
  }

  @AllowRead()
  @Query(() => EnvironmentConnection, { name: 'environments', description: 'Environments, by name.' })
  async all(
    @Args(() => EnvironmentsArgs) args: EnvironmentsArgs,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Page<Environment>> {
    const { name, archived } = args.filter;
    const where = [...oneOf<Environment>('name', name), ...present<Environment>('archivedAt', archived)];
    return rootPage(this.dataSource, environmentType, listQuery(environmentType, args, where, info));
  }

  @Allow(Role.OPERATOR, Scope.CATALOG)
  @Mutation(() => Environment)
  async createEnvironment(
    @Arg('input', () => CreateEnvironmentInput) input: CreateEnvironmentInput,
  ): Promise<Environment> {
    return this.environments.create(input);
  }

  @Allow(Role.OPERATOR, Scope.CATALOG)
  @Mutation(() => Environment)
  async updateEnvironment(
    @Arg('input', () => UpdateEnvironmentInput) input: UpdateEnvironmentInput,
  ): Promise<Environment> {
    return this.environments.update(input);
  }

  @Allow(Role.OPERATOR, Scope.CATALOG)
  @Mutation(() => Environment, {
    description: 'Takes an environment out of the lists, and refuses new deployments to it. Nothing is lost.',
  })
  async archiveEnvironment(
    @Arg('input', () => ArchiveEnvironmentInput) input: ArchiveEnvironmentInput,
  ): Promise<Environment> {
    return this.environments.archive(input);
  }
}
