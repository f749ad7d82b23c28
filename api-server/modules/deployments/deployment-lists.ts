/** Connections of deployments on types of other modules. Those modules do not import this one. */
import type { GraphQLResolveInfo } from 'graphql';
import { Args, Ctx, FieldResolver, Info, Resolver, Root } from 'type-graphql';
import { equals } from '../../database/conditions.js';
import type { Page } from '../../graphql/relay/connection.js';
import { listQuery } from '../../graphql/relay/list.js';
import type { GraphqlContext } from '../context.js';
import { Environment } from '../environments/environment.entity.js';
import { Release } from '../releases/release.entity.js';
import { ofService } from '../services/of-service.js';
import { Service } from '../services/service.entity.js';
import { type Deployment, DeploymentConnection, deploymentType } from './deployment.entity.js';
import {
  DeploymentsIntoEnvironmentArgs,
  DeploymentsOfServiceArgs,
  NestedDeploymentsArgs,
} from './deployment.inputs.js';
import { deploymentConditions } from './deployment-conditions.js';

@Resolver(() => Service)
export class ServiceDeploymentsResolver {
  @FieldResolver(() => DeploymentConnection, { description: 'Deployments of the service, newest first.' })
  async deployments(
    @Root() service: Service,
    @Args(() => DeploymentsOfServiceArgs) args: DeploymentsOfServiceArgs,
    @Ctx() { loaders }: GraphqlContext,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Page<Deployment>> {
    const where = [
      ...equals<Deployment>('environmentName', args.environment),
      ...deploymentConditions(args.filter),
    ];
    const query = listQuery(deploymentType, args, where, info);
    return loaders.deployments.load('serviceId', service.uuid, query);
  }
}

@Resolver(() => Environment)
export class EnvironmentDeploymentsResolver {
  @FieldResolver(() => DeploymentConnection, { description: 'Deployments to the environment, newest first.' })
  async deployments(
    @Root() environment: Environment,
    @Args(() => DeploymentsIntoEnvironmentArgs) args: DeploymentsIntoEnvironmentArgs,
    @Ctx() { loaders }: GraphqlContext,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Page<Deployment>> {
    const where = [...ofService<Deployment>(args.serviceId), ...deploymentConditions(args.filter)];
    const query = listQuery(deploymentType, args, where, info);
    return loaders.deployments.load('environmentName', environment.name, query);
  }
}

@Resolver(() => Release)
export class ReleaseDeploymentsResolver {
  @FieldResolver(() => DeploymentConnection, { description: 'Deployments of the release, newest first.' })
  async deployments(
    @Root() release: Release,
    @Args(() => NestedDeploymentsArgs) args: NestedDeploymentsArgs,
    @Ctx() { loaders }: GraphqlContext,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Page<Deployment>> {
    const query = listQuery(deploymentType, args, deploymentConditions(args.filter), info);
    return loaders.deployments.load('releaseId', release.uuid, query);
  }
}
