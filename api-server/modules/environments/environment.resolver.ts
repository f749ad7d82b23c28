import type { GraphQLResolveInfo } from 'graphql';
import { Arg, Args, Ctx, ID, Info, Mutation, Query, Resolver } from 'type-graphql';
import type { DataSource } from 'typeorm';
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

  @Query(() => EnvironmentConnection, { name: 'environments', description: 'Environments, by name.' })
  async all(
    @Args(() => EnvironmentsArgs) args: EnvironmentsArgs,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Page<Environment>> {
    const { name, archived } = args.filter;
    const where = [...oneOf<Environment>('name', name), ...present<Environment>('archivedAt', archived)];
    return rootPage(this.dataSource, environmentType, listQuery(environmentType, args, where, info));
  }

  @Mutation(() => Environment)
  async createEnvironment(
    @Arg('input', () => CreateEnvironmentInput) input: CreateEnvironmentInput,
  ): Promise<Environment> {
    return this.environments.create(input);
  }

  @Mutation(() => Environment)
  async updateEnvironment(
    @Arg('input', () => UpdateEnvironmentInput) input: UpdateEnvironmentInput,
  ): Promise<Environment> {
    return this.environments.update(input);
  }

  @Mutation(() => Environment, {
    description: 'Takes an environment out of the lists, and refuses new deployments to it. Nothing is lost.',
  })
  async archiveEnvironment(
    @Arg('input', () => ArchiveEnvironmentInput) input: ArchiveEnvironmentInput,
  ): Promise<Environment> {
    return this.environments.archive(input);
  }
}
