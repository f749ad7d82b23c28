import { Matches, MaxLength } from 'class-validator';
import { ArgsType, Field, ID, InputType } from 'type-graphql';
import type { OrderInput } from '../../platform/graphql/relay/ordering.js';
import { PageArgs } from '../../platform/graphql/relay/paging.js';
import { NAME_MESSAGE, NAME_RULE } from '../services/service.inputs.js';
import { EnvironmentOrder } from './environment.entity.js';

@InputType()
class EnvironmentDetails {
  @MaxLength(1_000, { message: 'must be at most 1000 characters long' })
  @Field(() => String, { nullable: true })
  description?: string | null;
}

@InputType()
export class CreateEnvironmentInput extends EnvironmentDetails {
  @Matches(NAME_RULE, { message: NAME_MESSAGE })
  @Field()
  name!: string;
}

@InputType({ description: 'What is left out stays as it is; null takes it away.' })
export class UpdateEnvironmentInput extends EnvironmentDetails {
  @Field(() => ID)
  id!: string;
}

@InputType()
export class ArchiveEnvironmentInput {
  @Field(() => ID)
  id!: string;

  @Field({ defaultValue: true, description: 'False takes it back.' })
  archived!: boolean;
}

@InputType({ description: 'All that are given must fit.' })
export class EnvironmentFilter {
  @Field(() => [String], { nullable: true })
  name?: string[] | null;

  @Field(() => Boolean, { nullable: true, defaultValue: false, description: 'Null for both kinds.' })
  archived?: boolean | null;
}

@ArgsType()
export class EnvironmentsArgs extends PageArgs {
  @Field(() => EnvironmentFilter, { defaultValue: { archived: false } })
  filter!: EnvironmentFilter;

  @Field(() => EnvironmentOrder, { nullable: true, description: 'By name when left out.' })
  orderBy?: OrderInput | null;
}
