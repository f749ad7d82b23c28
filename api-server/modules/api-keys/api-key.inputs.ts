import { ArrayMinSize, ArrayUnique, MaxLength, MinLength } from 'class-validator';
import { ArgsType, Field, ID, InputType, ObjectType } from 'type-graphql';
import { Role, Scope } from '../../auth/roles.js';
import { Allow } from '../../graphql/access.js';
import type { OrderInput } from '../../graphql/relay/ordering.js';
import { PageArgs } from '../../graphql/relay/paging.js';
import { ApiKey, ApiKeyOrder } from './api-key.entity.js';

@InputType({ description: 'Input of `createApiKey`.' })
export class CreateApiKeyInput {
  @MinLength(1, { message: 'must not be empty' })
  @MaxLength(100, { message: 'must be at most 100 characters long' })
  @Field({ description: 'Name of the key: what it is used for. 1 to 100 characters.' })
  name!: string;

  @Field(() => Role, { description: 'Role of the key.' })
  role!: Role;

  @ArrayMinSize(1, { message: 'must not be empty; omit it to grant all permissions of the role' })
  @ArrayUnique({ message: 'must not contain duplicates' })
  @Field(() => [Scope], {
    nullable: true,
    description: 'Scopes that restrict the role. Omit it to grant all permissions of the role.',
  })
  scopes?: Scope[] | null;

  @Field(() => Date, {
    nullable: true,
    description: 'Time at which the key expires, in the future. Omit it for a key that does not expire.',
  })
  expiresAt?: Date | null;
}

@InputType({
  description:
    'Input of `updateApiKey`. Omitted fields keep their values; null removes the value of an optional field.',
})
export class UpdateApiKeyInput {
  @Field(() => ID, { description: 'ID of the API key.' })
  id!: string;

  @MinLength(1, { message: 'must not be empty' })
  @MaxLength(100, { message: 'must be at most 100 characters long' })
  @Field(() => String, { nullable: true, description: 'New name of the key. 1 to 100 characters.' })
  name?: string | null;

  @ArrayMinSize(1, { message: 'must not be empty; null grants all permissions of the role' })
  @ArrayUnique({ message: 'must not contain duplicates' })
  @Field(() => [Scope], {
    nullable: true,
    description: 'New scopes; null grants all permissions of the role.',
  })
  scopes?: Scope[] | null;

  @Field(() => Date, {
    nullable: true,
    description: 'New expiry time, in the future; null for a key that does not expire.',
  })
  expiresAt?: Date | null;
}

@InputType({ description: 'Input of `revokeApiKey`.' })
export class RevokeApiKeyInput {
  @Field(() => ID, { description: 'ID of the API key.' })
  id!: string;
}

@Allow(Role.ADMIN, Scope.ADMIN)
@ObjectType({
  simpleResolvers: true,
  description: 'A new API key, with the secret that is returned only once.',
})
export class ApiKeyWithSecret {
  @Field(() => ApiKey, { description: 'The API key.' })
  apiKey!: ApiKey;

  @Field({
    description:
      'The complete key that clients send. It is returned only in this response and cannot be read again.',
  })
  key!: string;
}

@InputType({ description: 'Filters for API keys. Filters are combined with AND.' })
export class ApiKeyFilter {
  @Field(() => Boolean, {
    nullable: true,
    description: 'True returns only revoked keys, false only keys that are not revoked.',
  })
  revoked?: boolean | null;

  @Field(() => [Role], { nullable: true, description: 'Returns keys with one of these roles.' })
  role?: Role[] | null;
}

@ArgsType()
export class ApiKeysArgs extends PageArgs {
  @Field(() => ApiKeyFilter, { nullable: true, description: 'Filters for the returned API keys.' })
  filter?: ApiKeyFilter | null;

  @Field(() => ApiKeyOrder, { nullable: true, description: 'Sort order. The default is oldest first.' })
  orderBy?: OrderInput | null;
}
