import { IsUrl, Matches, MaxLength, MinLength } from 'class-validator';
import { ArgsType, Field, ID, InputType } from 'type-graphql';
import type { OrderInput } from '../../platform/graphql/relay/ordering.js';
import { PageArgs } from '../../platform/graphql/relay/paging.js';
import { ServiceOrder } from './service.entity.js';

export const NAME_RULE = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
export const NAME_MESSAGE =
  'must be 1 to 63 lower-case letters, digits and dashes, with a letter or digit at both ends';

/** What of a service can be changed. */
@InputType()
class ServiceDetails {
  @MaxLength(1_000, { message: 'must be at most 1000 characters long' })
  @Field(() => String, { nullable: true })
  description?: string | null;

  @MinLength(1, { message: 'must not be empty' })
  @MaxLength(100, { message: 'must be at most 100 characters long' })
  @Field(() => String, { nullable: true })
  owner?: string | null;

  @IsUrl(
    { protocols: ['https', 'http', 'ssh'], require_protocol: true, require_tld: false },
    { message: 'must be a URL' },
  )
  @MaxLength(500, { message: 'must be at most 500 characters long' })
  @Field(() => String, { nullable: true })
  repository?: string | null;
}

@InputType()
export class CreateServiceInput extends ServiceDetails {
  @Matches(NAME_RULE, { message: NAME_MESSAGE })
  @Field()
  name!: string;
}

@InputType({ description: 'What is left out stays as it is; null takes it away.' })
export class UpdateServiceInput extends ServiceDetails {
  @Field(() => ID)
  id!: string;
}

@InputType()
export class ArchiveServiceInput {
  @Field(() => ID)
  id!: string;

  @Field({ defaultValue: true, description: 'False takes it back.' })
  archived!: boolean;
}

@InputType({ description: 'All that are given must fit.' })
export class ServiceFilter {
  @Field(() => [String], { nullable: true })
  name?: string[] | null;

  @Field(() => [String], { nullable: true })
  owner?: string[] | null;

  @Field(() => Boolean, { nullable: true, defaultValue: false, description: 'Null for both kinds.' })
  archived?: boolean | null;
}

@ArgsType()
export class ServicesArgs extends PageArgs {
  @Field(() => ServiceFilter, { defaultValue: { archived: false } })
  filter!: ServiceFilter;

  @Field(() => ServiceOrder, { nullable: true, description: 'By name when left out.' })
  orderBy?: OrderInput | null;
}
