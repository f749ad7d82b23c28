import type { GraphQLResolveInfo } from 'graphql';
import { Arg, Args, Ctx, FieldResolver, Info, Mutation, Query, Resolver, Root } from 'type-graphql';
import { Role, Scope } from '../../auth/roles.js';
import { equals } from '../../database/conditions.js';
import type { DataSource } from '../../database/pool/data-source.js';
import { Allow, AllowRead } from '../../graphql/access.js';
import type { Page } from '../../graphql/relay/connection.js';
import { listQuery, rootPage } from '../../graphql/relay/list.js';
import { selectedFields } from '../../graphql/relay/selection.js';
import type { GraphqlContext } from '../context.js';
import { Environment } from '../environments/environment.entity.js';
import { loadEnvironment } from '../environments/environment-of.js';
import { Release } from '../releases/release.entity.js';
import { ofService } from '../services/of-service.js';
import { Service } from '../services/service.entity.js';
import { Deployment, DeploymentConnection, deploymentType } from './deployment.entity.js';
import {
  DeploymentsArgs,
  FinishDeploymentInput,
  RecordDeploymentInput,
  UpdateDeploymentInput,
} from './deployment.inputs.js';
import type { DeploymentService } from './deployment.service.js';
import { deploymentConditions } from './deployment-conditions.js';

@Resolver(() => Deployment)
export class DeploymentResolver {
  constructor(
    private readonly dataSource: DataSource,
    private readonly deployments: DeploymentService,
  ) {}

  @AllowRead()
  @Query(() => DeploymentConnection, { name: 'deployments', description: 'Lists deployments, newest first.' })
  async all(
    @Args(() => DeploymentsArgs) args: DeploymentsArgs,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Page<Deployment>> {
    const { serviceId, environment, filter } = args;
    const where = [
      ...ofService<Deployment>(serviceId),
      ...equals<Deployment>('environmentName', environment),
      ...deploymentConditions(filter),
    ];
    return rootPage(this.dataSource, deploymentType, listQuery(deploymentType, args, where, info));
  }

  @Allow(Role.OPERATOR, Scope.DEPLOYMENTS)
  @Mutation(() => Deployment, {
    description: 'Records a deployment that has started, and its release if it is unknown.',
  })
  async recordDeployment(
    @Arg('input', () => RecordDeploymentInput, { description: 'Properties of the deployment.' })
    input: RecordDeploymentInput,
  ): Promise<Deployment> {
    return this.deployments.record(input);
  }

  @Allow(Role.OPERATOR, Scope.DEPLOYMENTS)
  @Mutation(() => Deployment, {
    description:
      'Updates the weight or the reason of a deployment in progress. Fails with CONFLICT when the deployment is finished.',
  })
  async updateDeployment(
    @Arg('input', () => UpdateDeploymentInput, { description: 'The deployment and its new values.' })
    input: UpdateDeploymentInput,
  ): Promise<Deployment> {
    return this.deployments.update(input);
  }

  @Allow(Role.OPERATOR, Scope.DEPLOYMENTS)
  @Mutation(() => Deployment, {
    description:
      'Records the outcome of a deployment. Fails with CONFLICT when it is finished with another outcome.',
  })
  async finishDeployment(
    @Arg('input', () => FinishDeploymentInput, { description: 'The deployment and its outcome.' })
    input: FinishDeploymentInput,
  ): Promise<Deployment> {
    return this.deployments.finish(input);
  }

  @FieldResolver(() => Environment, { description: 'Environment of the deployment.' })
  environment(
    @Root() deployment: Deployment,
    @Ctx() { loaders }: GraphqlContext,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Environment | null> {
    return loadEnvironment(deployment.environmentName, loaders, info);
  }

  @FieldResolver(() => Service, { description: 'The deployed service.' })
  service(
    @Root() deployment: Deployment,
    @Ctx() { loaders }: GraphqlContext,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Service | null> {
    return loaders.service.load(deployment.serviceId, selectedFields(info));
  }

  @FieldResolver(() => Release, {
    nullable: true,
    description:
      'The deployed release; null for deployments that were recorded by versions of this API without releases.',
  })
  async release(
    @Root() deployment: Deployment,
    @Ctx() { loaders }: GraphqlContext,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Release | null> {
    const { releaseId } = deployment;
    return releaseId === null ? null : loaders.release.load(releaseId, selectedFields(info));
  }
}
