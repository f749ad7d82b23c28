import { Field, ObjectType } from 'type-graphql';
import { Column, CreateDateColumn, Entity, UpdateDateColumn } from 'typeorm';
import { Role, Scope } from '../../auth/roles.js';
import { Allow } from '../../graphql/access.js';
import { connectionOf } from '../../graphql/relay/connection.js';
import { Node } from '../../graphql/relay/node.js';
import { NodeType } from '../../graphql/relay/node-type.js';
import { orderOf } from '../../graphql/relay/ordering.js';

@Entity('users')
@Allow(Role.ADMIN, Scope.ADMIN)
@ObjectType('User', {
  implements: Node,
  simpleResolvers: true,
  description: 'A person with an account in this API.',
})
export class User extends Node {
  @Column('text')
  @Field({ description: 'Unique, immutable e-mail address in lower case. It is the login name.' })
  email!: string;

  @Column('text')
  @Field({ description: 'Display name.' })
  name!: string;

  @Column('text')
  @Field(() => Role, { description: 'Role of the user.' })
  role!: Role;

  /** Only the login reads it. Null when password login is disabled for this user. */
  @Column('text', { name: 'password_hash', nullable: true, select: false })
  passwordHash!: string | null;

  @Column({ name: 'disabled_at', type: 'timestamptz', precision: 3, nullable: true })
  @Field(() => Date, {
    nullable: true,
    description:
      'Time at which the user was disabled; null when the user is enabled. Requests of a disabled user are rejected.',
  })
  disabledAt!: Date | null;

  @Column({ name: 'last_login_at', type: 'timestamptz', precision: 3, nullable: true })
  @Field(() => Date, {
    nullable: true,
    description: 'Time of the last login; null when the user never logged in.',
  })
  lastLoginAt!: Date | null;

  @CreateDateColumn({ name: 'created_at', type: 'timestamptz', precision: 3 })
  @Field(() => Date, { description: 'Time at which the user was created.' })
  createdAt!: Date;

  @UpdateDateColumn({ name: 'updated_at', type: 'timestamptz', precision: 3 })
  @Field(() => Date, { description: 'Time of the last change of the user.' })
  updatedAt!: Date;
}

export const UserConnection = connectionOf(User, 'User');

export const userType = new NodeType('User', User, {
  orders: {
    EMAIL: { parts: [{ property: 'email', type: 'text' }] },
    CREATED_AT: {
      parts: [
        { property: 'createdAt', type: 'timestamp' },
        { property: 'uuid', type: 'uuid' },
      ],
    },
  },
  defaultDirection: 'ASC',
});

export const UserOrder = orderOf('User', userType.orders);
