import { IsEmail, MaxLength, MinLength } from 'class-validator';
import { ArgsType, Field, ID, InputType } from 'type-graphql';
import { PASSWORD_MAX, PASSWORD_MIN } from '../../platform/auth/passwords.js';
import { Role } from '../../platform/auth/roles.js';
import type { OrderInput } from '../../platform/graphql/relay/ordering.js';
import { PageArgs } from '../../platform/graphql/relay/paging.js';
import { UserOrder } from './user.entity.js';

const PASSWORD_MESSAGE = `must be ${PASSWORD_MIN} to ${PASSWORD_MAX} characters long`;

@InputType()
export class CreateUserInput {
  @IsEmail({}, { message: 'must be an e-mail address' })
  @MaxLength(254, { message: 'must be at most 254 characters long' })
  @Field()
  email!: string;

  @MinLength(1, { message: 'must not be empty' })
  @MaxLength(100, { message: 'must be at most 100 characters long' })
  @Field()
  name!: string;

  @Field(() => Role)
  role!: Role;

  @MinLength(PASSWORD_MIN, { message: PASSWORD_MESSAGE })
  @MaxLength(PASSWORD_MAX, { message: PASSWORD_MESSAGE })
  @Field(() => String, { nullable: true, description: 'Without one this user can not log in here.' })
  password?: string | null;
}

@InputType({ description: 'What is left out stays as it is.' })
export class UpdateUserInput {
  @Field(() => ID)
  id!: string;

  @MinLength(1, { message: 'must not be empty' })
  @MaxLength(100, { message: 'must be at most 100 characters long' })
  @Field(() => String, { nullable: true })
  name?: string | null;

  @Field(() => Role, { nullable: true })
  role?: Role | null;

  @Field(() => Boolean, {
    nullable: true,
    description: 'Who is disabled is refused within seconds, everywhere.',
  })
  disabled?: boolean | null;
}

@InputType()
export class SetUserPasswordInput {
  @Field(() => ID)
  id!: string;

  @MinLength(PASSWORD_MIN, { message: PASSWORD_MESSAGE })
  @MaxLength(PASSWORD_MAX, { message: PASSWORD_MESSAGE })
  @Field()
  password!: string;
}

@InputType({ description: 'All that are given must fit.' })
export class UserFilter {
  @Field(() => [String], { nullable: true })
  email?: string[] | null;

  @Field(() => [Role], { nullable: true })
  role?: Role[] | null;

  @Field(() => Boolean, { nullable: true })
  disabled?: boolean | null;
}

@ArgsType()
export class UsersArgs extends PageArgs {
  @Field(() => UserFilter, { nullable: true })
  filter?: UserFilter | null;

  @Field(() => UserOrder, { nullable: true, description: 'By e-mail address when left out.' })
  orderBy?: OrderInput | null;
}
