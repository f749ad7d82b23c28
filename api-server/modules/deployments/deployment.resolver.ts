import { Arg, Args, Ctx, FieldResolver, Mutation, Query, Resolver, Root } from 'type-graphql';
import type { Page } from '../../platform/graphql/relay/connection.js';
import { uuidOf } from '../../platform/graphql/relay/global-id.js';
import { pageRequest } from '../../platform/graphql/relay/paging.js';
import { Service } from '../services/service.entity.js';
import type { ServiceLoader } from '../services/service.loader.js';
import { Deployment, DeploymentConnection, Environment } from './deployment.entity.js';
import {
  DeploymentsArgs,
  DeploymentsOfServiceArgs,
  FinishDeploymentInput,
  RecordDeploymentInput,
} from './deployment.inputs.js';
import type { DeploymentsOfServiceLoader } from './deployment.loader.js';
import { DeploymentService } from './deployment.service.js';

interface Loaders {
  loaders: { service: ServiceLoader; deploymentsOfService: DeploymentsOfServiceLoader };
}

@Resolver(() => Deployment)
export class DeploymentResolver {
  constructor(private readonly deployments: DeploymentService) {}

  @Query(() => DeploymentConnection, { name: 'deployments', description: 'Deployments, newest first.' })
  async all(@Args(() => DeploymentsArgs) args: DeploymentsArgs): Promise<Page<Deployment>> {
    const { serviceId, environment } = args;
    const serviceUuid = serviceId == null ? undefined : uuidOf('Service', serviceId, 'serviceId');
    return this.deployments.page({ serviceUuid, environment: environment ?? undefined }, pageRequest(args));
  }

  @Mutation(() => Deployment, { description: 'Says that a deployment has started.' })
  async recordDeployment(
    @Arg('input', () => RecordDeploymentInput) input: RecordDeploymentInput,
  ): Promise<Deployment> {
    return this.deployments.record(input);
  }

  @Mutation(() => Deployment, { description: 'Says how a deployment ended.' })
  async finishDeployment(
    @Arg('input', () => FinishDeploymentInput) input: FinishDeploymentInput,
  ): Promise<Deployment> {
    return this.deployments.finish(input);
  }

  @FieldResolver(() => Environment)
  environment(@Root() deployment: Deployment): Environment {
    return { name: deployment.environmentName };
  }

  @FieldResolver(() => Service)
  service(@Root() deployment: Deployment, @Ctx() { loaders }: Loaders): Promise<Service | null> {
    return loaders.service.load(deployment.serviceId);
  }
}

/** What a service has of this module; `services` itself knows nothing of deployments. */
@Resolver(() => Service)
export class ServiceDeploymentsResolver {
  @FieldResolver(() => DeploymentConnection, { description: 'Its deployments, newest first.' })
  async deployments(
    @Root() service: Service,
    @Args(() => DeploymentsOfServiceArgs) args: DeploymentsOfServiceArgs,
    @Ctx() { loaders }: Loaders,
  ): Promise<Page<Deployment>> {
    return loaders.deploymentsOfService.load(service.uuid, args.environment ?? undefined, pageRequest(args));
  }
}
