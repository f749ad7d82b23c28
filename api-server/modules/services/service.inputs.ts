import { IsUrl, Matches, MaxLength, MinLength } from 'class-validator';
import { Field, InputType } from 'type-graphql';

export const NAME_RULE = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

@InputType()
export class CreateServiceInput {
  @Matches(NAME_RULE, {
    message: 'must be 1 to 63 lower-case letters, digits and dashes, with a letter or digit at both ends',
  })
  @Field()
  name!: string;

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
