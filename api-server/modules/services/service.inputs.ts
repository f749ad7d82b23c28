import { IsUrl, Matches, MaxLength, MinLength } from 'class-validator';
import { ArgsType, Field, ID, InputType } from 'type-graphql';
import type { OrderInput } from '../../graphql/relay/ordering.js';
import { PageArgs } from '../../graphql/relay/paging.js';
import { ServiceOrder } from './service.entity.js';

export const NAME_RULE = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
export const NAME_MESSAGE =
  'must be 1 to 63 lower-case letters, digits and hyphens, and start and end with a letter or digit';

/** Fields of a service that can be updated. */
@InputType()
class ServiceDetails {
  @MaxLength(1_000, { message: 'must be at most 1000 characters long' })
  @Field(() => String, {
    nullable: true,
    description: 'Description of the service, at most 1000 characters.',
  })
  description?: string | null;

  @MinLength(1, { message: 'must not be empty' })
  @MaxLength(100, { message: 'must be at most 100 characters long' })
  @Field(() => String, {
    nullable: true,
    description: 'Team that is responsible for the service, 1 to 100 characters.',
  })
  owner?: string | null;

  @IsUrl(
    { protocols: ['https', 'http', 'ssh'], require_protocol: true, require_tld: false },
    { message: 'must be a URL' },
  )
  @MaxLength(500, { message: 'must be at most 500 characters long' })
  @Field(() => String, {
    nullable: true,
    description: 'URL of the source code repository: https, http or ssh.',
  })
  repository?: string | null;
}

@InputType({ description: 'Input of `createService`.' })
export class CreateServiceInput extends ServiceDetails {
  @Matches(NAME_RULE, { message: NAME_MESSAGE })
  @Field({ description: 'Unique, immutable name: 1 to 63 lower-case letters, digits and hyphens.' })
  name!: string;
}

@InputType({
  description: 'Input of `updateService`. Omitted fields keep their values; null removes the value.',
})
export class UpdateServiceInput extends ServiceDetails {
  @Field(() => ID, { description: 'ID of the service.' })
  id!: string;
}

@InputType({ description: 'Input of `archiveService`.' })
export class ArchiveServiceInput {
  @Field(() => ID, { description: 'ID of the service.' })
  id!: string;

  @Field({ defaultValue: true, description: 'True archives the service, false restores it.' })
  archived!: boolean;
}

@InputType({ description: 'Filters for services. Filters are combined with AND.' })
export class ServiceFilter {
  @Field(() => [String], { nullable: true, description: 'Returns services with one of these names.' })
  name?: string[] | null;

  @Field(() => [String], { nullable: true, description: 'Returns services of one of these owners.' })
  owner?: string[] | null;

  @Field(() => Boolean, {
    nullable: true,
    defaultValue: false,
    description:
      'True returns only archived services, false only those that are not archived, null returns both.',
  })
  archived?: boolean | null;
}

@ArgsType()
export class ServicesArgs extends PageArgs {
  @Field(() => ServiceFilter, {
    defaultValue: { archived: false },
    description: 'Filters for the returned services.',
  })
  filter!: ServiceFilter;

  @Field(() => ServiceOrder, { nullable: true, description: 'Sort order. The default is by name.' })
  orderBy?: OrderInput | null;
}
