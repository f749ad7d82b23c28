import { Length, Matches } from 'class-validator';
import { ArgsType, Field, ID, InputType } from 'type-graphql';
import { PageArgs } from '../../platform/graphql/relay/paging.js';
import { NAME_RULE } from '../services/service.inputs.js';
import { DeploymentOutcome } from './deployment-status.js';

@InputType()
export class RecordDeploymentInput {
  @Field(() => ID)
  serviceId!: string;

  @Matches(NAME_RULE, { message: 'must be 1 to 63 lower-case letters, digits and dashes' })
  @Field({ description: 'The name of the environment, for instance production.' })
  environment!: string;

  @Length(1, 200, { message: 'must be 1 to 200 characters long' })
  @Field()
  version!: string;

  @Matches(/^[0-9a-f]{7,64}$/, { message: 'must be 7 to 64 hexadecimal digits' })
  @Field(() => String, { nullable: true })
  commit?: string | null;

  @Field(() => Date, { nullable: true })
  committedAt?: Date | null;

  @Field(() => Date, { nullable: true, description: 'When it started; now when left out.' })
  startedAt?: Date | null;

  @Length(1, 200, { message: 'must be 1 to 200 characters long' })
  @Field({
    description: 'Your name for this deployment, unique for the service: telling it twice records it once.',
  })
  idempotencyKey!: string;
}

@InputType()
export class FinishDeploymentInput {
  @Field(() => ID)
  id!: string;

  @Field(() => DeploymentOutcome)
  outcome!: DeploymentOutcome;

  @Field(() => Date, { nullable: true, description: 'When it ended; now when left out.' })
  finishedAt?: Date | null;
}

@ArgsType()
export class DeploymentsOfServiceArgs extends PageArgs {
  @Field(() => String, { nullable: true, description: 'Only those into this environment.' })
  environment?: string | null;
}

@ArgsType()
export class DeploymentsArgs extends DeploymentsOfServiceArgs {
  @Field(() => ID, { nullable: true, description: 'Only those of this service.' })
  serviceId?: string | null;
}
