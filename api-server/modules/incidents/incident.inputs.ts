import { Length, Matches, MaxLength } from 'class-validator';
import { ArgsType, Field, ID, InputType } from 'type-graphql';
import type { OrderInput } from '../../graphql/relay/ordering.js';
import { PageArgs } from '../../graphql/relay/paging.js';
import { NAME_MESSAGE, NAME_RULE } from '../services/service.inputs.js';
import { IncidentOrder, IncidentSeverity } from './incident.entity.js';

@InputType({ description: 'Input of `openIncident`.' })
export class OpenIncidentInput {
  @Field(() => ID, { description: 'ID of the affected service.' })
  serviceId!: string;

  @Matches(NAME_RULE, { message: NAME_MESSAGE })
  @Field({ description: 'Name of the affected environment.' })
  environment!: string;

  @Length(1, 200, { message: 'must be 1 to 200 characters long' })
  @Field({ description: 'Short summary, 1 to 200 characters.' })
  title!: string;

  @MaxLength(10_000, { message: 'must be at most 10000 characters long' })
  @Field(() => String, { nullable: true, description: 'Details, at most 10000 characters.' })
  description?: string | null;

  @Field(() => IncidentSeverity, { description: 'Severity of the incident.' })
  severity!: IncidentSeverity;

  @Field(() => ID, {
    nullable: true,
    description: 'ID of the deployment that caused the incident; a deployment of the same service.',
  })
  deploymentId?: string | null;

  @Field(() => Date, {
    nullable: true,
    description: 'Time at which the incident started. The default is the current time.',
  })
  openedAt?: Date | null;

  @Length(1, 200, { message: 'must be 1 to 200 characters long' })
  @Field({
    description:
      'Key of this incident, unique per service. A retry with the same key and input returns the recorded incident; the same key with other input fails with CONFLICT.',
  })
  idempotencyKey!: string;
}

@InputType({
  description:
    'Input of `updateIncident`. Omitted fields keep their values; null removes the value of an optional field.',
})
export class UpdateIncidentInput {
  @Field(() => ID, { description: 'ID of the incident.' })
  id!: string;

  @Length(1, 200, { message: 'must be 1 to 200 characters long' })
  @Field(() => String, { nullable: true, description: 'New summary, 1 to 200 characters.' })
  title?: string | null;

  @MaxLength(10_000, { message: 'must be at most 10000 characters long' })
  @Field(() => String, { nullable: true, description: 'New details, at most 10000 characters.' })
  description?: string | null;

  @Field(() => IncidentSeverity, { nullable: true, description: 'New severity.' })
  severity?: IncidentSeverity | null;

  @Field(() => ID, {
    nullable: true,
    description: 'ID of the deployment that caused the incident; a deployment of the same service.',
  })
  deploymentId?: string | null;
}

@InputType({ description: 'Input of `resolveIncident`.' })
export class ResolveIncidentInput {
  @Field(() => ID, { description: 'ID of the incident.' })
  id!: string;

  @Field(() => Date, {
    nullable: true,
    description:
      'Time at which the incident was resolved, not before its start. The default is the current time.',
  })
  resolvedAt?: Date | null;
}

@InputType({ description: 'Filters for incidents. Filters are combined with AND.' })
export class IncidentFilter {
  @Field(() => [IncidentSeverity], {
    nullable: true,
    description: 'Returns incidents with one of these severities.',
  })
  severity?: IncidentSeverity[] | null;

  @Field(() => Boolean, {
    nullable: true,
    description: 'True returns only open incidents, false only resolved incidents.',
  })
  open?: boolean | null;

  @Field(() => Date, { nullable: true, description: 'Returns incidents that started at or after this time.' })
  openedFrom?: Date | null;

  @Field(() => Date, { nullable: true, description: 'Returns incidents that started before this time.' })
  openedTo?: Date | null;

  @Field(() => Date, {
    nullable: true,
    description: 'Returns incidents that were resolved at or after this time.',
  })
  resolvedFrom?: Date | null;

  @Field(() => Date, {
    nullable: true,
    description: 'Returns incidents that were resolved before this time.',
  })
  resolvedTo?: Date | null;
}

/** Arguments of a connection of a parent object. */
@ArgsType()
export class NestedIncidentsArgs extends PageArgs {
  @Field(() => IncidentFilter, { nullable: true, description: 'Filters for the returned incidents.' })
  filter?: IncidentFilter | null;

  @Field(() => IncidentOrder, { nullable: true, description: 'Sort order. The default is newest first.' })
  orderBy?: OrderInput | null;
}

@ArgsType()
export class IncidentsOfServiceArgs extends NestedIncidentsArgs {
  @Field(() => String, { nullable: true, description: 'Name of an environment. Returns only its incidents.' })
  environment?: string | null;
}

@ArgsType()
export class IncidentsInEnvironmentArgs extends NestedIncidentsArgs {
  @Field(() => ID, { nullable: true, description: 'ID of a service. Returns only its incidents.' })
  serviceId?: string | null;
}

@ArgsType()
export class IncidentsArgs extends IncidentsOfServiceArgs {
  @Field(() => ID, { nullable: true, description: 'ID of a service. Returns only its incidents.' })
  serviceId?: string | null;
}
