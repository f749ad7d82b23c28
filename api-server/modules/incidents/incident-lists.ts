/** What other types have of this module; they themselves know nothing of incidents. */
import type { GraphQLResolveInfo } from 'graphql';
import { Args, Ctx, FieldResolver, Info, Resolver, Root } from 'type-graphql';
import { between, type Condition, oneOf, present } from '../../platform/database/conditions.js';
import type { Page } from '../../platform/graphql/relay/connection.js';
import { listQuery } from '../../platform/graphql/relay/list.js';
import type { GraphqlContext } from '../context.js';
import { Deployment } from '../deployments/deployment.entity.js';
import { Environment } from '../environments/environment.entity.js';
import { Service } from '../services/service.entity.js';
import { type Incident, IncidentConnection, incidentType } from './incident.entity.js';
import { type IncidentFilter, NestedIncidentsArgs } from './incident.inputs.js';

export function incidentConditions(filter: IncidentFilter | null | undefined): Condition<Incident>[] {
  if (!filter) return [];
  return [
    ...oneOf<Incident>('severity', filter.severity),
    ...present<Incident>('resolvedAt', filter.open == null ? null : !filter.open),
    ...between<Incident>('openedAt', { from: filter.openedFrom, to: filter.openedTo }),
  ];
}

@Resolver(() => Service)
export class ServiceIncidentsResolver {
  @FieldResolver(() => IncidentConnection, { description: 'Its incidents, newest first.' })
  async incidents(
    @Root() service: Service,
    @Args(() => NestedIncidentsArgs) args: NestedIncidentsArgs,
    @Ctx() { loaders }: GraphqlContext,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Page<Incident>> {
    const query = listQuery(incidentType, args, incidentConditions(args.filter), info);
    return loaders.incidents.load('serviceId', service.uuid, query);
  }
}

@Resolver(() => Environment)
export class EnvironmentIncidentsResolver {
  @FieldResolver(() => IncidentConnection, { description: 'The incidents in it, newest first.' })
  async incidents(
    @Root() environment: Environment,
    @Args(() => NestedIncidentsArgs) args: NestedIncidentsArgs,
    @Ctx() { loaders }: GraphqlContext,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Page<Incident>> {
    const query = listQuery(incidentType, args, incidentConditions(args.filter), info);
    return loaders.incidents.load('environmentName', environment.name, query);
  }
}

@Resolver(() => Deployment)
export class DeploymentIncidentsResolver {
  @FieldResolver(() => IncidentConnection, { description: 'The incidents it caused, newest first.' })
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
