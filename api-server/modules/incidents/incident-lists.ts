/** Connections of incidents on types of other modules. Those modules do not import this one. */
import type { GraphQLResolveInfo } from 'graphql';
import { Args, Ctx, FieldResolver, Info, Resolver, Root } from 'type-graphql';
import { between, type Condition, equals, oneOf, present } from '../../database/conditions.js';
import type { Page } from '../../graphql/relay/connection.js';
import { listQuery } from '../../graphql/relay/list.js';
import type { GraphqlContext } from '../context.js';
import { Deployment } from '../deployments/deployment.entity.js';
import { Environment } from '../environments/environment.entity.js';
import { ofService } from '../services/of-service.js';
import { Service } from '../services/service.entity.js';
import { type Incident, IncidentConnection, incidentType } from './incident.entity.js';
import {
  type IncidentFilter,
  IncidentsInEnvironmentArgs,
  IncidentsOfServiceArgs,
  NestedIncidentsArgs,
} from './incident.inputs.js';

export function incidentConditions(filter: IncidentFilter | null | undefined): Condition<Incident>[] {
  if (!filter) return [];
  return [
    ...oneOf<Incident>('severity', filter.severity),
    ...present<Incident>('resolvedAt', filter.open == null ? null : !filter.open),
    ...between<Incident>('openedAt', { from: filter.openedFrom, to: filter.openedTo }),
    ...between<Incident>('resolvedAt', { from: filter.resolvedFrom, to: filter.resolvedTo }),
  ];
}

@Resolver(() => Service)
export class ServiceIncidentsResolver {
  @FieldResolver(() => IncidentConnection, { description: 'Incidents of the service, newest first.' })
  async incidents(
    @Root() service: Service,
    @Args(() => IncidentsOfServiceArgs) args: IncidentsOfServiceArgs,
    @Ctx() { loaders }: GraphqlContext,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Page<Incident>> {
    const where = [
      ...equals<Incident>('environmentName', args.environment),
      ...incidentConditions(args.filter),
    ];
    const query = listQuery(incidentType, args, where, info);
    return loaders.incidents.load('serviceId', service.uuid, query);
  }
}

@Resolver(() => Environment)
export class EnvironmentIncidentsResolver {
  @FieldResolver(() => IncidentConnection, { description: 'Incidents in the environment, newest first.' })
  async incidents(
    @Root() environment: Environment,
    @Args(() => IncidentsInEnvironmentArgs) args: IncidentsInEnvironmentArgs,
    @Ctx() { loaders }: GraphqlContext,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Page<Incident>> {
    const where = [...ofService<Incident>(args.serviceId), ...incidentConditions(args.filter)];
    const query = listQuery(incidentType, args, where, info);
    return loaders.incidents.load('environmentName', environment.name, query);
  }
}

@Resolver(() => Deployment)
export class DeploymentIncidentsResolver {
  @FieldResolver(() => IncidentConnection, {
    description: 'Incidents that the deployment caused, newest first.',
  })
  async incidents(
    @Root() deployment: Deployment,
    @Args(() => NestedIncidentsArgs) args: NestedIncidentsArgs,
    @Ctx() { loaders }: GraphqlContext,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Page<Incident>> {
    const query = listQuery(incidentType, args, incidentConditions(args.filter), info);
    return loaders.incidents.load('deploymentId', deployment.uuid, query);
  }
}
