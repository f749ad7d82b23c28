import { ArrayMinSize, ArrayUnique, MaxLength, MinLength } from 'class-validator';
import { ArgsType, Field, ID, InputType, ObjectType } from 'type-graphql';
import { Allow } from '../../platform/auth/access.js';
import { Role, Scope } from '../../platform/auth/roles.js';
import type { OrderInput } from '../../platform/graphql/relay/ordering.js';
import { PageArgs } from '../../platform/graphql/relay/paging.js';
import { ApiKey, ApiKeyOrder } from './api-key.entity.js';

@InputType()
export class CreateApiKeyInput {
  @MinLength(1, { message: 'must not be empty' })
  @MaxLength(100, { message: 'must be at most 100 characters long' })
  @Field({ description: 'What it is for.' })
  name!: string;

  @Field(() => Role)
  role!: Role;

  @ArrayMinSize(1, { message: 'must not be empty; leave it out for all that the role may' })
  @ArrayUnique({ message: 'must not name a scope twice' })
  @Field(() => [Scope], { nullable: true, description: 'Left out: all that the role may.' })
  scopes?: Scope[] | null;

  @Field(() => Date, { nullable: true, description: 'Left out: until it is revoked.' })
  expiresAt?: Date | null;
}

@InputType({ description: 'What is left out stays as it is; null takes it away where that is possible.' })
export class UpdateApiKeyInput {
  @Field(() => ID)
  id!: string;

  @MinLength(1, { message: 'must not be empty' })
  @MaxLength(100, { message: 'must be at most 100 characters long' })
  @Field(() => String, { nullable: true, description: 'What it is for.' })
  name?: string | null;

  @ArrayMinSize(1, { message: 'must not be empty; null is all that the role may' })
  @ArrayUnique({ message: 'must not name a scope twice' })
  @Field(() => [Scope], { nullable: true, description: 'Null: all that the role may.' })
  scopes?: Scope[] | null;

  @Field(() => Date, { nullable: true, description: 'Null: until it is revoked.' })
  expiresAt?: Date | null;
}

@InputType()
export class RevokeApiKeyInput {
  @Field(() => ID)
  id!: string;
}

@Allow(Role.ADMIN, Scope.ADMIN)
@ObjectType({ simpleResolvers: true })
export class ApiKeyWithSecret {
  @Field(() => ApiKey)
  apiKey!: ApiKey;

  @Field({ description: 'The key itself. It is shown this once.' })
  key!: string;
}

@InputType({ description: 'All that are given must fit.' })
export class ApiKeyFilter {
  @Field(() => Boolean, { nullable: true })
  revoked?: boolean | null;

  @Field(() => [Role], { nullable: true })
  role?: Role[] | null;
}

@ArgsType()
export class ApiKeysArgs extends PageArgs {
  @Field(() => ApiKeyFilter, { nullable: true })
  filter?: ApiKeyFilter | null;

  @Field(() => ApiKeyOrder, { nullable: true, description: 'Oldest first when left out.' })
  orderBy?: OrderInput | null;
}
