import { Length, Matches } from 'class-validator';
import { ArgsType, Field, ID, InputType } from 'type-graphql';
import type { OrderInput } from '../../platform/graphql/relay/ordering.js';
import { PageArgs } from '../../platform/graphql/relay/paging.js';
import { ReleaseOrder } from './release.entity.js';

/** What a release is told by; deployments tell it, too. */
@InputType()
export class ReleaseDetails {
  @Length(1, 200, { message: 'must be 1 to 200 characters long' })
  @Field()
  version!: string;

  @Matches(/^[0-9a-f]{7,64}$/, { message: 'must be 7 to 64 hexadecimal digits' })
  @Field(() => String, { nullable: true })
  commit?: string | null;

  @Field(() => Date, { nullable: true })
  committedAt?: Date | null;

  @Matches(/^sha256:[0-9a-f]{64}$/, { message: 'must be sha256: and 64 hexadecimal digits' })
  @Field(() => String, { nullable: true })
  imageDigest?: string | null;
}

@InputType()
export class CreateReleaseInput extends ReleaseDetails {
  @Field(() => ID)
  serviceId!: string;
}

@InputType({ description: 'All that are given must fit.' })
export class ReleaseFilter {
  @Field(() => [String], { nullable: true })
  version?: string[] | null;

  @Field(() => [String], { nullable: true })
  commit?: string[] | null;

  @Field(() => Date, { nullable: true, description: 'First heard of then or later.' })
  createdFrom?: Date | null;

  @Field(() => Date, { nullable: true, description: 'First heard of before.' })
  createdTo?: Date | null;

  @Field(() => Date, { nullable: true, description: 'Committed then or later.' })
  committedFrom?: Date | null;

  @Field(() => Date, { nullable: true, description: 'Committed before.' })
  committedTo?: Date | null;
}

@ArgsType()
export class ReleasesOfServiceArgs extends PageArgs {
  @Field(() => ReleaseFilter, { nullable: true })
  filter?: ReleaseFilter | null;

  @Field(() => ReleaseOrder, { nullable: true, description: 'Newest first when left out.' })
  orderBy?: OrderInput | null;
}

@ArgsType()
export class ReleasesArgs extends ReleasesOfServiceArgs {
  @Field(() => ID, { nullable: true, description: 'Only those of this service.' })
  serviceId?: string | null;
}
