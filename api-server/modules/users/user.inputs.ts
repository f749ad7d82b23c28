import { IsAscii, IsEmail, MaxLength, MinLength } from 'class-validator';
import { ArgsType, Field, ID, InputType } from 'type-graphql';
import { PASSWORD_MAX, PASSWORD_MIN } from '../../auth/passwords.js';
import { Role } from '../../auth/roles.js';
import type { OrderInput } from '../../graphql/relay/ordering.js';
import { PageArgs } from '../../graphql/relay/paging.js';
import { UserOrder } from './user.entity.js';

const PASSWORD_MESSAGE = `must be ${PASSWORD_MIN} to ${PASSWORD_MAX} characters long`;

@InputType({ description: 'Input of `createUser`.' })
export class CreateUserInput {
  @IsEmail({}, { message: 'must be an e-mail address' })
  @IsAscii({ message: 'must contain only ASCII characters' })
  @MaxLength(254, { message: 'must be at most 254 characters long' })
  @Field({
    description:
      'Unique, immutable e-mail address, at most 254 ASCII characters. It is stored in lower case.',
  })
  email!: string;

  @MinLength(1, { message: 'must not be empty' })
  @MaxLength(100, { message: 'must be at most 100 characters long' })
  @Field({ description: 'Display name, 1 to 100 characters.' })
  name!: string;

  @Field(() => Role, { description: 'Role of the user.' })
  role!: Role;

  @MinLength(PASSWORD_MIN, { message: PASSWORD_MESSAGE })
  @MaxLength(PASSWORD_MAX, { message: PASSWORD_MESSAGE })
  @Field(() => String, {
    nullable: true,
    description: `Password, ${PASSWORD_MIN} to ${PASSWORD_MAX} characters. Without a password, the user cannot log in at this API.`,
  })
  password?: string | null;
}

@InputType({ description: 'Input of `updateUser`. Omitted fields keep their values.' })
export class UpdateUserInput {
  @Field(() => ID, { description: 'ID of the user.' })
  id!: string;

  @MinLength(1, { message: 'must not be empty' })
  @MaxLength(100, { message: 'must be at most 100 characters long' })
  @Field(() => String, { nullable: true, description: 'New display name, 1 to 100 characters.' })
  name?: string | null;

  @Field(() => Role, { nullable: true, description: 'New role.' })
  role?: Role | null;

  @Field(() => Boolean, {
    nullable: true,
    description:
      'True disables the user: all logins end, and all processes reject the user within seconds. False enables the user.',
  })
  disabled?: boolean | null;
}

@InputType({ description: 'Input of `setUserPassword`.' })
export class SetUserPasswordInput {
  @Field(() => ID, { description: 'ID of the user.' })
  id!: string;

  @MinLength(PASSWORD_MIN, { message: PASSWORD_MESSAGE })
  @MaxLength(PASSWORD_MAX, { message: PASSWORD_MESSAGE })
  @Field({ description: `New password, ${PASSWORD_MIN} to ${PASSWORD_MAX} characters.` })
  password!: string;
}

@InputType({ description: 'Filters for users. Filters are combined with AND.' })
export class UserFilter {
  @Field(() => [String], {
    nullable: true,
    description: 'Returns users with one of these e-mail addresses; case-insensitive.',
  })
  email?: string[] | null;

  @Field(() => [Role], { nullable: true, description: 'Returns users with one of these roles.' })
  role?: Role[] | null;

  @Field(() => Boolean, {
    nullable: true,
    description: 'True returns only disabled users, false only enabled users.',
  })
  disabled?: boolean | null;
}

@ArgsType()
export class UsersArgs extends PageArgs {
  @Field(() => UserFilter, { nullable: true, description: 'Filters for the returned users.' })
  filter?: UserFilter | null;

  @Field(() => UserOrder, { nullable: true, description: 'Sort order. The default is by e-mail address.' })
  orderBy?: OrderInput | null;
}
