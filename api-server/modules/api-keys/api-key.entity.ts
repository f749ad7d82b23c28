import { Field, ObjectType } from 'type-graphql';
import { Column, CreateDateColumn, Entity, UpdateDateColumn } from 'typeorm';
import { Allow } from '../../platform/auth/access.js';
import { Role, Scope } from '../../platform/auth/roles.js';
import { connectionOf } from '../../platform/graphql/relay/connection.js';
import { Node } from '../../platform/graphql/relay/node.js';
import { NodeType } from '../../platform/graphql/relay/node-type.js';
import { orderOf } from '../../platform/graphql/relay/ordering.js';

@Entity('api_keys')
@Allow(Role.ADMIN, Scope.ADMIN)
@ObjectType('ApiKey', {
  implements: Node,
  simpleResolvers: true,
  description: 'What a program shows to be let in. Only its hash is kept.',
})
export class ApiKey extends Node {
  @Column('text')
  @Field({ description: 'What it is for.' })
  name!: string;

  @Column('text')
  @Field({ description: 'The part of the key by which it is told from others; no secret.' })
  prefix!: string;

  @Column('bytea', { name: 'secret_hash', select: false })
  secretHash!: Buffer;

  @Column('text')
  @Field(() => Role)
  role!: Role;

  @Column('text', { array: true, nullable: true })
  @Field(() => [Scope], { nullable: true, description: 'Null: all that its role may.' })
  scopes!: Scope[] | null;

  @Column('text', { name: 'created_by' })
  @Field({ description: 'Who made it, as in the audit.' })
  createdBy!: string;

  @Column({ name: 'expires_at', type: 'timestamptz', precision: 3, nullable: true })
  @Field(() => Date, { nullable: true })
  expiresAt!: Date | null;

  @Column({ name: 'revoked_at', type: 'timestamptz', precision: 3, nullable: true })
  @Field(() => Date, { nullable: true })
  revokedAt!: Date | null;

  @Column({ name: 'last_used_at', type: 'timestamptz', precision: 3, nullable: true })
  @Field(() => Date, { nullable: true, description: 'To the minute.' })
  lastUsedAt!: Date | null;

  @CreateDateColumn({ name: 'created_at', type: 'timestamptz', precision: 3 })
  @Field(() => Date)
  createdAt!: Date;

  @UpdateDateColumn({ name: 'updated_at', type: 'timestamptz', precision: 3 })
  updatedAt!: Date;
}

export const ApiKeyConnection = connectionOf(ApiKey, 'ApiKey');

export const apiKeyType = new NodeType('ApiKey', ApiKey, {
  orders: {
    CREATED_AT: {
      parts: [
        { property: 'createdAt', type: 'timestamp' },
        { property: 'uuid', type: 'uuid' },
      ],
    },
  },
  defaultDirection: 'ASC',
});

export const ApiKeyOrder = orderOf('ApiKey', apiKeyType.orders);
