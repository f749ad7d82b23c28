import { ArgsType, Field, ID, ObjectType } from 'type-graphql';
import { DomainEventKind } from './event-kind.js';

@ObjectType({ simpleResolvers: true })
abstract class ChangedEvent {
  @Field({ description: 'Subscribe with it as `after` to continue behind this event.' })
  cursor!: string;

  @Field(() => DomainEventKind)
  kind!: DomainEventKind;

  @Field(() => Date)
  occurredAt!: Date;

  /** Of what has changed. */
  subjectId!: string;
}

@ObjectType({ simpleResolvers: true, description: 'Something has happened to a deployment.' })
export class DeploymentChanged extends ChangedEvent {}

@ObjectType({ simpleResolvers: true, description: 'Something has happened to an incident.' })
export class IncidentChanged extends ChangedEvent {}

@ArgsType()
export class ChangedArgs {
  @Field(() => ID, { nullable: true, description: 'Only of this service.' })
  serviceId?: string | null;

  @Field(() => String, { nullable: true, description: 'Only in this environment, by its name.' })
  environment?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'The cursor of the last event you have: you get all after it, then what happens.',
  })
  after?: string | null;
}
