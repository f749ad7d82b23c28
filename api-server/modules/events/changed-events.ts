import { ArgsType, Field, ID, ObjectType } from 'type-graphql';
import { DomainEventKind } from './event-kind.js';

@ObjectType({ simpleResolvers: true })
abstract class ChangedEvent {
  @Field({ description: 'Cursor of this event. Pass it as `after` to continue after it.' })
  cursor!: string;

  @Field(() => DomainEventKind, { description: 'Kind of the event.' })
  kind!: DomainEventKind;

  @Field(() => Date, { description: 'Time of the event.' })
  occurredAt!: Date;

  /** Primary key of the changed row. */
  subjectId!: string;
}

@ObjectType({ simpleResolvers: true, description: 'A change of a deployment.' })
export class DeploymentChanged extends ChangedEvent {}

@ObjectType({ simpleResolvers: true, description: 'A change of an incident.' })
export class IncidentChanged extends ChangedEvent {}

@ArgsType()
export class ChangedArgs {
  @Field(() => ID, { nullable: true, description: 'ID of a service. Returns only its events.' })
  serviceId?: string | null;

  @Field(() => String, { nullable: true, description: 'Name of an environment. Returns only its events.' })
  environment?: string | null;

  @Field(() => String, {
    nullable: true,
    description:
      'Cursor of the last received event. The subscription first returns all events after it, then new events. Omit it to receive only new events.',
  })
  after?: string | null;
}
