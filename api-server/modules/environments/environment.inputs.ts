import { Matches, MaxLength } from 'class-validator';
import { ArgsType, Field, ID, InputType } from 'type-graphql';
import type { OrderInput } from '../../graphql/relay/ordering.js';
import { PageArgs } from '../../graphql/relay/paging.js';
import { NAME_MESSAGE, NAME_RULE } from '../services/service.inputs.js';
import { EnvironmentOrder } from './environment.entity.js';

@InputType()
class EnvironmentDetails {
  @MaxLength(1_000, { message: 'must be at most 1000 characters long' })
  @Field(() => String, {
    nullable: true,
    description: 'Description of the environment, at most 1000 characters.',
  })
  description?: string | null;
}

@InputType({ description: 'Input of `createEnvironment`.' })
export class CreateEnvironmentInput extends EnvironmentDetails {
  @Matches(NAME_RULE, { message: NAME_MESSAGE })
  @Field({ description: 'Unique, immutable name: 1 to 63 lower-case letters, digits and hyphens.' })
  name!: string;
}

@InputType({
  description: 'Input of `updateEnvironment`. Omitted fields keep their values; null removes the value.',
})
export class UpdateEnvironmentInput extends EnvironmentDetails {
  @Field(() => ID, { description: 'ID of the environment.' })
  id!: string;
}

@InputType({ description: 'Input of `archiveEnvironment`.' })
export class ArchiveEnvironmentInput {
  @Field(() => ID, { description: 'ID of the environment.' })
  id!: string;

  @Field({ defaultValue: true, description: 'True archives the environment, false restores it.' })
  archived!: boolean;
}

@InputType({ description: 'Filters for environments. Filters are combined with AND.' })
export class EnvironmentFilter {
  @Field(() => [String], { nullable: true, description: 'Returns environments with one of these names.' })
  name?: string[] | null;

  @Field(() => Boolean, {
    nullable: true,
    defaultValue: false,
    description:
      'True returns only archived environments, false only those that are not archived, null returns both.',
  })
  archived?: boolean | null;
}

@ArgsType()
export class EnvironmentsArgs extends PageArgs {
  @Field(() => EnvironmentFilter, {
    defaultValue: { archived: false },
    description: 'Filters for the returned environments.',
  })
  filter!: EnvironmentFilter;

  @Field(() => EnvironmentOrder, { nullable: true, description: 'Sort order. The default is by name.' })
  orderBy?: OrderInput | null;
}
