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
import { Deployment } from '../deployments/deployment.entity.js';
import { Environment } from '../environments/environment.entity.js';
import { loadEnvironment } from '../environments/environment-of.js';
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
  @Query(() => IncidentConnection, { name: 'incidents', description: 'Lists incidents, newest first.' })
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
  @Mutation(() => Incident, { description: 'Opens an incident.' })
  async openIncident(
    @Arg('input', () => OpenIncidentInput, { description: 'Properties of the incident.' })
    input: OpenIncidentInput,
  ): Promise<Incident> {
    return this.incidents.open(input);
  }

  @Allow(Role.OPERATOR, Scope.INCIDENTS)
  @Mutation(() => Incident, { description: 'Updates an incident.' })
  async updateIncident(
    @Arg('input', () => UpdateIncidentInput, { description: 'The incident and its new values.' })
    input: UpdateIncidentInput,
  ): Promise<Incident> {
    return this.incidents.update(input);
  }

  @Allow(Role.OPERATOR, Scope.INCIDENTS)
  @Mutation(() => Incident, {
    description: 'Resolves an incident. Fails with CONFLICT when it was resolved at another time.',
  })
  async resolveIncident(
    @Arg('input', () => ResolveIncidentInput, {
      description: 'The incident, and the time at which it was resolved.',
    })
    input: ResolveIncidentInput,
  ): Promise<Incident> {
    return this.incidents.resolve(input);
  }

  @FieldResolver(() => Service, { description: 'The affected service.' })
  service(
    @Root() incident: Incident,
    @Ctx() { loaders }: GraphqlContext,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Service | null> {
    return loaders.service.load(incident.serviceId, selectedFields(info));
  }

  @FieldResolver(() => Environment, { description: 'The affected environment.' })
  environment(
    @Root() incident: Incident,
    @Ctx() { loaders }: GraphqlContext,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Environment | null> {
    return loadEnvironment(incident.environmentName, loaders, info);
  }

  @FieldResolver(() => Deployment, {
    nullable: true,
    description: 'The deployment that caused the incident; null when none is recorded.',
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
