import { Length, Matches, MaxLength } from 'class-validator';
import { ArgsType, Field, ID, InputType } from 'type-graphql';
import type { OrderInput } from '../../platform/graphql/relay/ordering.js';
import { PageArgs } from '../../platform/graphql/relay/paging.js';
import { NAME_MESSAGE, NAME_RULE } from '../services/service.inputs.js';
import { IncidentOrder, IncidentSeverity } from './incident.entity.js';

@InputType()
export class OpenIncidentInput {
  @Field(() => ID)
  serviceId!: string;

  @Matches(NAME_RULE, { message: NAME_MESSAGE })
  @Field({ description: 'The name of the environment.' })
  environment!: string;

  @Length(1, 200, { message: 'must be 1 to 200 characters long' })
  @Field()
  title!: string;

  @MaxLength(10_000, { message: 'must be at most 10000 characters long' })
  @Field(() => String, { nullable: true })
  description?: string | null;

  @Field(() => IncidentSeverity)
  severity!: IncidentSeverity;

  @Field(() => ID, { nullable: true, description: 'The deployment that caused it, one of the same service.' })
  deploymentId?: string | null;

  @Field(() => Date, { nullable: true, description: 'When it began; now when left out.' })
  openedAt?: Date | null;

  @Length(1, 200, { message: 'must be 1 to 200 characters long' })
  @Field({
    description: 'Your name for this incident, unique for the service: telling it twice opens it once.',
  })
  idempotencyKey!: string;
}

@InputType({ description: 'What is left out stays as it is; null takes it away.' })
export class UpdateIncidentInput {
  @Field(() => ID)
  id!: string;

  @Length(1, 200, { message: 'must be 1 to 200 characters long' })
  @Field(() => String, { nullable: true })
  title?: string | null;

  @MaxLength(10_000, { message: 'must be at most 10000 characters long' })
  @Field(() => String, { nullable: true })
  description?: string | null;

  @Field(() => IncidentSeverity, { nullable: true })
  severity?: IncidentSeverity | null;

  @Field(() => ID, { nullable: true, description: 'The deployment that caused it, one of the same service.' })
  deploymentId?: string | null;
}

@InputType()
export class ResolveIncidentInput {
  @Field(() => ID)
  id!: string;

  @Field(() => Date, { nullable: true, description: 'When it was over; now when left out.' })
  resolvedAt?: Date | null;
}

@InputType({ description: 'All that are given must fit.' })
export class IncidentFilter {
  @Field(() => [IncidentSeverity], { nullable: true })
  severity?: IncidentSeverity[] | null;

  @Field(() => Boolean, { nullable: true, description: 'Those that last, or those that are over.' })
  open?: boolean | null;

  @Field(() => Date, { nullable: true, description: 'Opened then or later.' })
  openedFrom?: Date | null;

  @Field(() => Date, { nullable: true, description: 'Opened before.' })
  openedTo?: Date | null;

  @Field(() => Date, { nullable: true, description: 'Over then or later.' })
  resolvedFrom?: Date | null;

  @Field(() => Date, { nullable: true, description: 'Over before.' })
  resolvedTo?: Date | null;
}

/** Of a list that hangs on something. */
@ArgsType()
export class NestedIncidentsArgs extends PageArgs {
  @Field(() => IncidentFilter, { nullable: true })
  filter?: IncidentFilter | null;

  @Field(() => IncidentOrder, { nullable: true, description: 'Newest first when left out.' })
  orderBy?: OrderInput | null;
}

@ArgsType()
export class IncidentsOfServiceArgs extends NestedIncidentsArgs {
  @Field(() => String, { nullable: true, description: 'Only those in this environment, by its name.' })
  environment?: string | null;
}

@ArgsType()
export class IncidentsInEnvironmentArgs extends NestedIncidentsArgs {
  @Field(() => ID, { nullable: true, description: 'Only those of this service.' })
  serviceId?: string | null;
}

@ArgsType()
export class IncidentsArgs extends IncidentsOfServiceArgs {
  @Field(() => ID, { nullable: true, description: 'Only those of this service.' })
  serviceId?: string | null;
}
