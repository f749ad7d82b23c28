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
import { Service, ServiceConnection, serviceType } from './service.entity.js';
import {
  ArchiveServiceInput,
  CreateServiceInput,
  ServicesArgs,
  UpdateServiceInput,
} from './service.inputs.js';
import type { ServiceService } from './service.service.js';

@Resolver(() => Service)
export class ServiceResolver {
  constructor(
    private readonly dataSource: DataSource,
    private readonly services: ServiceService,
  ) {}

  @AllowRead()
  @Query(() => Service, {
    nullable: true,
    description: 'The service with this ID or this name; null when it does not exist.',
  })
  async service(
    @Arg('id', () => ID, { nullable: true, description: 'ID of the service. Excludes `name`.' }) id:
      | string
      | null
      | undefined,
    @Arg('name', () => String, { nullable: true, description: 'Name of the service. Excludes `id`.' }) name:
      | string
      | null
      | undefined,
    @Ctx() { loaders }: GraphqlContext,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Service | null> {
    const fields = selectedFields(info);
    if (id != null && name == null) return loaders.service.load(uuidOf('Service', id, 'id'), fields);
    if (name != null && id == null) return loaders.serviceByName.load(name, fields);
    throw badUserInput({ field: 'id', message: 'specify exactly one of id and name' });
  }

  @AllowRead()
  @Query(() => ServiceConnection, { name: 'services', description: 'Lists services, by name.' })
  async all(
    @Args(() => ServicesArgs) args: ServicesArgs,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Page<Service>> {
    const { name, owner, archived } = args.filter;
    const where = [
      ...oneOf<Service>('name', name),
      ...oneOf<Service>('owner', owner),
      ...present<Service>('archivedAt', archived),
    ];
    return rootPage(this.dataSource, serviceType, listQuery(serviceType, args, where, info));
  }

  @Allow(Role.OPERATOR, Scope.CATALOG)
  @Mutation(() => Service, { description: 'Creates a service. Fails with CONFLICT when the name exists.' })
  async createService(
    @Arg('input', () => CreateServiceInput, { description: 'Properties of the service.' })
    input: CreateServiceInput,
  ): Promise<Service> {
    return this.services.create(input);
  }

  @Allow(Role.OPERATOR, Scope.CATALOG)
  @Mutation(() => Service, { description: 'Updates a service.' })
  async updateService(
    @Arg('input', () => UpdateServiceInput, { description: 'The service and its new values.' })
    input: UpdateServiceInput,
  ): Promise<Service> {
    return this.services.update(input);
  }

  @Allow(Role.OPERATOR, Scope.CATALOG)
  @Mutation(() => Service, {
    description:
      'Archives or restores a service. Lists omit archived services by default, and deployments of them are rejected. No data is deleted.',
  })
  async archiveService(
    @Arg('input', () => ArchiveServiceInput, {
      description: 'The service, and whether to archive or restore it.',
    })
    input: ArchiveServiceInput,
  ): Promise<Service> {
    return this.services.archive(input);
  }
}
