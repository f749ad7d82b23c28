import type { GraphQLResolveInfo } from 'graphql';
import { Arg, Args, Ctx, FieldResolver, Info, Mutation, Query, Resolver, Root } from 'type-graphql';
import type { DataSource } from 'typeorm';
import { Allow, AllowRead } from '../../platform/auth/access.js';
import { Role, Scope } from '../../platform/auth/roles.js';
import { equals } from '../../platform/database/conditions.js';
import type { Page } from '../../platform/graphql/relay/connection.js';
import { listQuery, rootPage } from '../../platform/graphql/relay/list.js';
import { selectedFields } from '../../platform/graphql/relay/selection.js';
import type { GraphqlContext } from '../context.js';
import { Deployment } from '../deployments/deployment.entity.js';
import { Environment } from '../environments/environment.entity.js';
import { environmentOf } from '../environments/environment-of.js';
import { ofService } from '../services/of-service.js';
import { Service } from '../services/service.entity.js';
import { Incident, IncidentConnection, incidentType } from './incident.entity.js';
import {
  IncidentsArgs,
  OpenIncidentInput,
  ResolveIncidentInput,
  UpdateIncidentInput,
} from './incident.inputs.js';
import type { IncidentService } from './incident.service.js';
import { incidentConditions } from './incident-lists.js';

@Resolver(() => Incident)
export class IncidentResolver {
  constructor(
    private readonly dataSource: DataSource,
    private readonly incidents: IncidentService,
  ) {}

  @AllowRead()
  @Query(() => IncidentConnection, { name: 'incidents', description: 'Incidents, newest first.' })
  async all(
    @Args(() => IncidentsArgs) args: IncidentsArgs,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Page<Incident>> {
    const { serviceId, environment, filter } = args;
    const where = [
      ...ofService<Incident>(serviceId),
      ...equals<Incident>('environmentName', environment),
      ...incidentConditions(filter),
    ];
    return rootPage(this.dataSource, incidentType, listQuery(incidentType, args, where, info));
  }

  @Allow(Role.OPERATOR, Scope.INCIDENTS)
  @Mutation(() => Incident)
  async openIncident(@Arg('input', () => OpenIncidentInput) input: OpenIncidentInput): Promise<Incident> {
    return this.incidents.open(input);
  }

  @Allow(Role.OPERATOR, Scope.INCIDENTS)
  @Mutation(() => Incident)
  async updateIncident(
    @Arg('input', () => UpdateIncidentInput) input: UpdateIncidentInput,
  ): Promise<Incident> {
    return this.incidents.update(input);
  }

  @Allow(Role.OPERATOR, Scope.INCIDENTS)
  @Mutation(() => Incident, { description: 'Says that an incident is over.' })
  async resolveIncident(
    @Arg('input', () => ResolveIncidentInput) input: ResolveIncidentInput,
  ): Promise<Incident> {
    return this.incidents.resolve(input);
  }

  @FieldResolver(() => Service)
  service(
    @Root() incident: Incident,
    @Ctx() { loaders }: GraphqlContext,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Service | null> {
    return loaders.service.load(incident.serviceId, selectedFields(info));
  }

  @FieldResolver(() => Environment)
  environment(
    @Root() incident: Incident,
    @Ctx() { loaders }: GraphqlContext,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Environment | null> {
    return environmentOf(incident.environmentName, loaders, info);
  }

  @FieldResolver(() => Deployment, {
    nullable: true,
    description: 'The deployment that caused it, if one did.',
  })
  async causedBy(
    @Root() incident: Incident,
    @Ctx() { loaders }: GraphqlContext,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Deployment | null> {
    const { deploymentId } = incident;
    return deploymentId === null ? null : loaders.deployment.load(deploymentId, selectedFields(info));
  }
}
