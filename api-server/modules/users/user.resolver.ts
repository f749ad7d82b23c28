import type { GraphQLResolveInfo } from 'graphql';
import { Arg, Args, Info, Mutation, Query, Resolver } from 'type-graphql';
import { asciiLowerCase } from '../../../contract/ascii.js';
import { Role, Scope } from '../../auth/roles.js';
import { oneOf, present } from '../../database/conditions.js';
import type { DataSource } from '../../database/pool/data-source.js';
import { Allow } from '../../graphql/access.js';
import type { Page } from '../../graphql/relay/connection.js';
import { listQuery, rootPage } from '../../graphql/relay/list.js';
import { User, UserConnection, userType } from './user.entity.js';
import { CreateUserInput, SetUserPasswordInput, UpdateUserInput, UsersArgs } from './user.inputs.js';
import type { UserService } from './user.service.js';

@Resolver(() => User)
export class UserResolver {
  constructor(
    private readonly dataSource: DataSource,
    private readonly users: UserService,
  ) {}

  @Allow(Role.ADMIN, Scope.ADMIN)
  @Query(() => UserConnection, { name: 'users', description: 'Lists users, by e-mail address.' })
  async all(@Args(() => UsersArgs) args: UsersArgs, @Info() info: GraphQLResolveInfo): Promise<Page<User>> {
    const { email, role, disabled } = args.filter ?? {};
    const where = [
      ...oneOf<User>('email', email?.map(asciiLowerCase)),
      ...oneOf<User>('role', role),
      ...present<User>('disabledAt', disabled),
    ];
    return rootPage(this.dataSource, userType, listQuery(userType, args, where, info));
  }

  @Allow(Role.ADMIN, Scope.ADMIN)
  @Mutation(() => User, {
    description: 'Creates a user. Fails with CONFLICT when the e-mail address exists.',
  })
  async createUser(
    @Arg('input', () => CreateUserInput, { description: 'Properties of the user.' }) input: CreateUserInput,
  ): Promise<User> {
    return this.users.create(input);
  }

  @Allow(Role.ADMIN, Scope.ADMIN)
  @Mutation(() => User, {
    description: 'Updates a user. Fails with CONFLICT when no enabled user with the role ADMIN would remain.',
  })
  async updateUser(
    @Arg('input', () => UpdateUserInput, { description: 'The user and the new values.' })
    input: UpdateUserInput,
  ): Promise<User> {
    return this.users.update(input);
  }

  @Allow(Role.ADMIN, Scope.ADMIN)
  @Mutation(() => User, { description: 'Sets a new password and ends all logins of the user.' })
  async setUserPassword(
    @Arg('input', () => SetUserPasswordInput, { description: 'The user and the new password.' })
    input: SetUserPasswordInput,
  ): Promise<User> {
    return this.users.setPassword(input);
  }
}
