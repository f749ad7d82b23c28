import type { GraphQLResolveInfo } from 'graphql';
import {
  Args,
  Ctx,
  FieldResolver,
  Info,
  Resolver,
  type ResolverData,
  Root,
  Subscription,
} from 'type-graphql';
import { AllowRead } from '../../graphql/access.js';
import { uuidOf } from '../../graphql/relay/global-id.js';
import { selectedFields } from '../../graphql/relay/selection.js';
import type { GraphqlContext } from '../context.js';
import { Deployment } from '../deployments/deployment.entity.js';
import { Incident } from '../incidents/incident.entity.js';
import { ChangedArgs, DeploymentChanged, IncidentChanged } from './changed-events.js';
import type { DomainEvent } from './event-log.js';
import { type EventFilter, eventCursor, subscribeToEvents } from './subscription.js';

function subscribeTo(prefix: EventFilter['prefix']) {
  return async ({ args, context }: ResolverData<GraphqlContext>): Promise<AsyncIterable<DomainEvent>> => {
    const { serviceId, environment, after } = args as ChangedArgs;
    const filter = {
      prefix,
      ...(serviceId != null && { serviceId: uuidOf('Service', serviceId, 'serviceId') }),
      ...(environment != null && { environment }),
    };
    return subscribeToEvents(context.events, after, filter, () => context.refresh());
  };
}

@Resolver(() => DeploymentChanged)
export class DeploymentChangedResolver {
  @AllowRead()
  @Subscription(() => DeploymentChanged, {
    description: 'Events of deployments, in order: recorded, updated and finished.',
    subscribe: subscribeTo('DEPLOYMENT') as never,
  })
  deploymentChanged(
    @Root() event: DomainEvent,
    @Args(() => ChangedArgs) _args: ChangedArgs,
  ): DeploymentChanged {
    return Object.assign(new DeploymentChanged(), { ...event, cursor: eventCursor(event) });
  }

  @FieldResolver(() => Deployment, {
    nullable: true,
    description:
      'Current state of the deployment, which may be newer than the event. Null when it is past its retention.',
  })
  deployment(
    @Root() { subjectId }: DeploymentChanged,
    @Ctx() { loaders }: GraphqlContext,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Deployment | null> {
    return loaders.deployment.load(subjectId, selectedFields(info));
  }
}

@Resolver(() => IncidentChanged)
export class IncidentChangedResolver {
  @AllowRead()
  @Subscription(() => IncidentChanged, {
    description: 'Events of incidents, in order: opened, updated and resolved.',
    subscribe: subscribeTo('INCIDENT') as never,
  })
  incidentChanged(@Root() event: DomainEvent, @Args(() => ChangedArgs) _args: ChangedArgs): IncidentChanged {
    return Object.assign(new IncidentChanged(), { ...event, cursor: eventCursor(event) });
  }

  @FieldResolver(() => Incident, {
    nullable: true,
    description:
      'Current state of the incident, which may be newer than the event. Null when it no longer exists.',
  })
  incident(
    @Root() { subjectId }: IncidentChanged,
    @Ctx() { loaders }: GraphqlContext,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Incident | null> {
    return loaders.incident.load(subjectId, selectedFields(info));
  }
}
