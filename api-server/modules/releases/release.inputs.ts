import { Length, Matches } from 'class-validator';
import { ArgsType, Field, ID, InputType } from 'type-graphql';
import type { OrderInput } from '../../graphql/relay/ordering.js';
import { PageArgs } from '../../graphql/relay/paging.js';
import { ReleaseOrder } from './release.entity.js';

/** Fields that identify a release; part of the input of deployments, too. */
@InputType()
export class ReleaseDetails {
  @Length(1, 200, { message: 'must be 1 to 200 characters long' })
  @Field({ description: 'Version, for example an image tag. 1 to 200 characters.' })
  version!: string;

  @Matches(/^[0-9a-f]{7,64}$/, { message: 'must be 7 to 64 hexadecimal digits' })
  @Field(() => String, {
    nullable: true,
    description: 'Git commit from which the version was built: 7 to 64 hexadecimal digits.',
  })
  commit?: string | null;

  @Field(() => Date, { nullable: true, description: 'Time of the commit.' })
  committedAt?: Date | null;

  @Matches(/^sha256:[0-9a-f]{64}$/, { message: 'must be sha256: and 64 hexadecimal digits' })
  @Field(() => String, {
    nullable: true,
    description: 'Digest of the container image: `sha256:` and 64 hexadecimal digits.',
  })
  imageDigest?: string | null;
}

@InputType({ description: 'Input of `createRelease`.' })
export class CreateReleaseInput extends ReleaseDetails {
  @Field(() => ID, { description: 'ID of the service.' })
  serviceId!: string;
}

@InputType({ description: 'Filters for releases. Filters are combined with AND.' })
export class ReleaseFilter {
  @Field(() => [String], { nullable: true, description: 'Returns releases with one of these versions.' })
  version?: string[] | null;

  @Field(() => [String], {
    nullable: true,
    description: 'Returns releases that were built from one of these commits.',
  })
  commit?: string[] | null;

  @Field(() => Date, {
    nullable: true,
    description: 'Returns releases that were first recorded at or after this time.',
  })
  createdFrom?: Date | null;

  @Field(() => Date, {
    nullable: true,
    description: 'Returns releases that were first recorded before this time.',
  })
  createdTo?: Date | null;

  @Field(() => Date, {
    nullable: true,
    description: 'Returns releases whose commit was made at or after this time.',
  })
  committedFrom?: Date | null;

  @Field(() => Date, {
    nullable: true,
    description: 'Returns releases whose commit was made before this time.',
  })
  committedTo?: Date | null;
}

@ArgsType()
export class ReleasesOfServiceArgs extends PageArgs {
  @Field(() => ReleaseFilter, { nullable: true, description: 'Filters for the returned releases.' })
  filter?: ReleaseFilter | null;

  @Field(() => ReleaseOrder, { nullable: true, description: 'Sort order. The default is newest first.' })
  orderBy?: OrderInput | null;
}

@ArgsType()
export class ReleasesArgs extends ReleasesOfServiceArgs {
  @Field(() => ID, { nullable: true, description: 'ID of a service. Returns only its releases.' })
  serviceId?: string | null;
}
