import { Field, ObjectType } from 'type-graphql';
import { Column, CreateDateColumn, Entity, UpdateDateColumn } from 'typeorm';
import { Allow } from '../../platform/auth/access.js';
import { Role, Scope } from '../../platform/auth/roles.js';
import { connectionOf } from '../../platform/graphql/relay/connection.js';
import { Node } from '../../platform/graphql/relay/node.js';
import { NodeType } from '../../platform/graphql/relay/node-type.js';
import { orderOf } from '../../platform/graphql/relay/ordering.js';

@Entity('users')
@Allow(Role.ADMIN, Scope.ADMIN)
@ObjectType('User', { implements: Node, simpleResolvers: true, description: 'A person who logs in.' })
export class User extends Node {
  @Column('text')
  @Field({ description: 'Unique, in lower case, and never changed.' })
  email!: string;

  @Column('text')
  @Field()
  name!: string;

  @Column('text')
  @Field(() => Role)
  role!: Role;

  /** Read by the login alone. Null: this user can't log in with a password. */
  @Column('text', { name: 'password_hash', nullable: true, select: false })
  passwordHash!: string | null;

  @Column({ name: 'disabled_at', type: 'timestamptz', precision: 3, nullable: true })
  @Field(() => Date, { nullable: true, description: 'Since when this user may do nothing any more.' })
  disabledAt!: Date | null;

  @Column({ name: 'last_login_at', type: 'timestamptz', precision: 3, nullable: true })
  @Field(() => Date, { nullable: true })
  lastLoginAt!: Date | null;

  @CreateDateColumn({ name: 'created_at', type: 'timestamptz', precision: 3 })
  @Field(() => Date)
  createdAt!: Date;

  @UpdateDateColumn({ name: 'updated_at', type: 'timestamptz', precision: 3 })
  @Field(() => Date)
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
