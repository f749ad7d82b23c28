import { Length, Matches, Max, MaxLength, Min } from 'class-validator';
import { ArgsType, Field, ID, InputType, Int } from 'type-graphql';
import type { OrderInput } from '../../platform/graphql/relay/ordering.js';
import { PageArgs } from '../../platform/graphql/relay/paging.js';
import { ReleaseDetails } from '../releases/release.inputs.js';
import { NAME_MESSAGE, NAME_RULE } from '../services/service.inputs.js';
import { DeploymentOrder } from './deployment.entity.js';
import { DeploymentOutcome, DeploymentStatus, DeploymentStrategy } from './deployment-status.js';

@InputType()
export class RecordDeploymentInput extends ReleaseDetails {
  @Field(() => ID)
  serviceId!: string;

  @Matches(NAME_RULE, { message: NAME_MESSAGE })
  @Field({ description: 'The name of the environment, for instance production. A new name makes a new one.' })
  environment!: string;

  @Field(() => DeploymentStrategy, { nullable: true })
  strategy?: DeploymentStrategy | null;

  @Min(0)
  @Max(100)
  @Field(() => Int, { nullable: true, description: 'The share of the traffic it has, in percent.' })
  weight?: number | null;

  @MaxLength(1_000, { message: 'must be at most 1000 characters long' })
  @Field(() => String, { nullable: true })
  reason?: string | null;

  @Field(() => Date, { nullable: true, description: 'When it started; now when left out.' })
  startedAt?: Date | null;

  @Length(1, 200, { message: 'must be 1 to 200 characters long' })
  @Field({
    description:
      'Your name for this deployment, unique for the service: telling it twice records it once, and another deployment under it is a CONFLICT.',
  })
  idempotencyKey!: string;
}

@InputType({ description: 'What is left out stays as it is; null takes it away.' })
export class UpdateDeploymentInput {
  @Field(() => ID)
  id!: string;

  @Min(0)
  @Max(100)
  @Field(() => Int, { nullable: true, description: 'The share of the traffic it has, in percent.' })
  weight?: number | null;

  @MaxLength(1_000, { message: 'must be at most 1000 characters long' })
  @Field(() => String, { nullable: true })
  reason?: string | null;
}

@InputType()
export class FinishDeploymentInput {
  @Field(() => ID)
  id!: string;

  @Field(() => DeploymentOutcome)
  outcome!: DeploymentOutcome;

  @Field(() => Date, { nullable: true, description: 'When it ended; now when left out.' })
  finishedAt?: Date | null;

  @MaxLength(1_000, { message: 'must be at most 1000 characters long' })
  @Field(() => String, { nullable: true, description: 'Why it ended so.' })
  reason?: string | null;

  @Length(1, 200, { message: 'must be 1 to 200 characters long' })
  @Field(() => String, {
    nullable: true,
    description:
      'Unique for the service: with the same key the same end is told once, and another is a CONFLICT.',
  })
  idempotencyKey?: string | null;
}

@InputType({ description: 'All that are given must fit.' })
export class DeploymentFilter {
  @Field(() => [DeploymentStatus], { nullable: true })
  status?: DeploymentStatus[] | null;

  @Field(() => [DeploymentStrategy], { nullable: true })
  strategy?: DeploymentStrategy[] | null;

  @Field(() => [String], { nullable: true })
  version?: string[] | null;

  @Field(() => Date, { nullable: true, description: 'Started then or later.' })
  startedFrom?: Date | null;

  @Field(() => Date, { nullable: true, description: 'Started before.' })
  startedTo?: Date | null;

  @Field(() => Date, { nullable: true, description: 'Ended then or later.' })
  finishedFrom?: Date | null;

  @Field(() => Date, { nullable: true, description: 'Ended before.' })
  finishedTo?: Date | null;
}

/** Of a list that hangs on something. */
@ArgsType()
export class NestedDeploymentsArgs extends PageArgs {
  @Field(() => DeploymentFilter, { nullable: true })
  filter?: DeploymentFilter | null;

  @Field(() => DeploymentOrder, { nullable: true, description: 'Newest first when left out.' })
  orderBy?: OrderInput | null;
}

@ArgsType()
export class DeploymentsOfServiceArgs extends NestedDeploymentsArgs {
  @Field(() => String, { nullable: true, description: 'Only those into this environment, by its name.' })
  environment?: string | null;
}

@ArgsType()
export class DeploymentsIntoEnvironmentArgs extends NestedDeploymentsArgs {
  @Field(() => ID, { nullable: true, description: 'Only those of this service.' })
  serviceId?: string | null;
}

@ArgsType()
export class DeploymentsArgs extends DeploymentsOfServiceArgs {
  @Field(() => ID, { nullable: true, description: 'Only those of this service.' })
  serviceId?: string | null;
}
