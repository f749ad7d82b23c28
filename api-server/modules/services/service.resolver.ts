import { Arg, Args, ID, Mutation, Query, Resolver } from 'type-graphql';
import { badUserInput } from '../../platform/graphql/errors.js';
import type { Page } from '../../platform/graphql/relay/connection.js';
import { uuidOf } from '../../platform/graphql/relay/global-id.js';
import { PageArgs, pageRequest } from '../../platform/graphql/relay/paging.js';
import { Service, ServiceConnection } from './service.entity.js';
import { CreateServiceInput } from './service.inputs.js';
import { ServiceService } from './service.service.js';

@Resolver(() => Service)
export class ServiceResolver {
  constructor(private readonly services: ServiceService) {}

  @Query(() => Service, { nullable: true, description: 'One service, by its id or by its name.' })
  async service(
    @Arg('id', () => ID, { nullable: true }) id?: string | null,
    @Arg('name', () => String, { nullable: true }) name?: string | null,
  ): Promise<Service | null> {
    if (id != null && name == null) return this.services.findById(uuidOf('Service', id, 'id'));
    if (name != null && id == null) return this.services.findByName(name);
    throw badUserInput({ field: 'id', message: 'give either id or name' });
  }

  @Query(() => ServiceConnection, { name: 'services', description: 'All services, by name.' })
  async all(@Args(() => PageArgs) args: PageArgs): Promise<Page<Service>> {
    return this.services.page(pageRequest(args));
  }

  @Mutation(() => Service)
  async createService(@Arg('input', () => CreateServiceInput) input: CreateServiceInput): Promise<Service> {
    return this.services.create(input);
  }
}
