import { Length, Matches, Max, MaxLength, Min } from 'class-validator';
import { ArgsType, Field, ID, InputType, Int } from 'type-graphql';
import type { OrderInput } from '../../graphql/relay/ordering.js';
import { PageArgs } from '../../graphql/relay/paging.js';
import { ReleaseDetails } from '../releases/release.inputs.js';
import { NAME_MESSAGE, NAME_RULE } from '../services/service.inputs.js';
import { DeploymentOrder } from './deployment.entity.js';
import { DeploymentOutcome, DeploymentStatus, DeploymentStrategy } from './deployment-status.js';

@InputType({ description: 'Input of `recordDeployment`.' })
export class RecordDeploymentInput extends ReleaseDetails {
  @Field(() => ID, { description: 'ID of the deployed service.' })
  serviceId!: string;

  @Matches(NAME_RULE, { message: NAME_MESSAGE })
  @Field({
    description: 'Name of the environment, for example production. An unknown name creates the environment.',
  })
  environment!: string;

  @Field(() => DeploymentStrategy, { nullable: true, description: 'Deployment strategy.' })
  strategy?: DeploymentStrategy | null;

  @Min(0)
  @Max(100)
  @Field(() => Int, {
    nullable: true,
    description: 'Share of the traffic that the new version receives, 0 to 100 percent.',
  })
  weight?: number | null;

  @MaxLength(1_000, { message: 'must be at most 1000 characters long' })
  @Field(() => String, { nullable: true, description: 'Reason for the deployment, at most 1000 characters.' })
  reason?: string | null;

  @Field(() => Date, {
    nullable: true,
    description: 'Time at which the deployment started. The default is the current time.',
  })
  startedAt?: Date | null;

  @Length(1, 200, { message: 'must be 1 to 200 characters long' })
  @Field({
    description:
      'Key of this deployment, unique per service. A retry with the same key and input returns the recorded deployment; the same key with other input fails with CONFLICT.',
  })
  idempotencyKey!: string;
}

@InputType({
  description: 'Input of `updateDeployment`. Omitted fields keep their values; null removes the value.',
})
export class UpdateDeploymentInput {
  @Field(() => ID, { description: 'ID of the deployment.' })
  id!: string;

  @Min(0)
  @Max(100)
  @Field(() => Int, { nullable: true, description: 'New share of the traffic, 0 to 100 percent.' })
  weight?: number | null;

  @MaxLength(1_000, { message: 'must be at most 1000 characters long' })
  @Field(() => String, {
    nullable: true,
    description: 'Reason for the current weight or status, at most 1000 characters.',
  })
  reason?: string | null;
}

@InputType({ description: 'Input of `finishDeployment`.' })
export class FinishDeploymentInput {
  @Field(() => ID, { description: 'ID of the deployment.' })
  id!: string;

  @Field(() => DeploymentOutcome, { description: 'Outcome of the deployment.' })
  outcome!: DeploymentOutcome;

  @Field(() => Date, {
    nullable: true,
    description:
      'Time at which the deployment finished, not before its start. The default is the current time.',
  })
  finishedAt?: Date | null;

  @MaxLength(1_000, { message: 'must be at most 1000 characters long' })
  @Field(() => String, {
    nullable: true,
    description: 'Reason for the outcome, at most 1000 characters. Omit it to keep the recorded reason.',
  })
  reason?: string | null;

  @Field(() => Date, {
    nullable: true,
    description:
      'Time at which the failed version first received traffic. With it, the outcome FAILED or ROLLED_BACK opens an incident from this time to `finishedAt`, unless the deployment already has an incident. Omit it when the version received no traffic. A retry does not compare it.',
  })
  failedSince?: Date | null;

  @Length(1, 200, { message: 'must be 1 to 200 characters long' })
  @Field(() => String, {
    nullable: true,
    description:
      'Idempotency key of the deployment that this deployment undoes. The incident is linked to that deployment. The default is this deployment. A retry does not compare it.',
  })
  undoneKey?: string | null;

  @Length(1, 200, { message: 'must be 1 to 200 characters long' })
  @Field(() => String, {
    nullable: true,
    description:
      'Key of this request, unique per service. A retry with the same key and input returns the finished deployment; the same key with other input fails with CONFLICT.',
  })
  idempotencyKey?: string | null;
}

@InputType({ description: 'Filters for deployments. Filters are combined with AND.' })
export class DeploymentFilter {
  @Field(() => [DeploymentStatus], {
    nullable: true,
    description: 'Returns deployments with one of these statuses.',
  })
  status?: DeploymentStatus[] | null;

  @Field(() => [DeploymentStrategy], {
    nullable: true,
    description: 'Returns deployments with one of these strategies.',
  })
  strategy?: DeploymentStrategy[] | null;

  @Field(() => [String], { nullable: true, description: 'Returns deployments of one of these versions.' })
  version?: string[] | null;

  @Field(() => Date, {
    nullable: true,
    description: 'Returns deployments that started at or after this time.',
  })
  startedFrom?: Date | null;

  @Field(() => Date, { nullable: true, description: 'Returns deployments that started before this time.' })
  startedTo?: Date | null;

  @Field(() => Date, {
    nullable: true,
    description: 'Returns deployments that finished at or after this time.',
  })
  finishedFrom?: Date | null;

  @Field(() => Date, { nullable: true, description: 'Returns deployments that finished before this time.' })
  finishedTo?: Date | null;
}

/** Arguments of a connection of a parent object. */
@ArgsType()
export class NestedDeploymentsArgs extends PageArgs {
  @Field(() => DeploymentFilter, { nullable: true, description: 'Filters for the returned deployments.' })
  filter?: DeploymentFilter | null;

  @Field(() => DeploymentOrder, { nullable: true, description: 'Sort order. The default is newest first.' })
  orderBy?: OrderInput | null;
}

@ArgsType()
export class DeploymentsOfServiceArgs extends NestedDeploymentsArgs {
  @Field(() => String, {
    nullable: true,
    description: 'Name of an environment. Returns only deployments to it.',
  })
  environment?: string | null;
}

@ArgsType()
export class DeploymentsIntoEnvironmentArgs extends NestedDeploymentsArgs {
  @Field(() => ID, { nullable: true, description: 'ID of a service. Returns only its deployments.' })
  serviceId?: string | null;
}

@ArgsType()
export class DeploymentsArgs extends DeploymentsOfServiceArgs {
  @Field(() => ID, { nullable: true, description: 'ID of a service. Returns only its deployments.' })
  serviceId?: string | null;
}
