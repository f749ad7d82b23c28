import { Field, ObjectType } from 'type-graphql';
import { Column, CreateDateColumn, Entity, UpdateDateColumn } from 'typeorm';
import { Role, Scope } from '../../auth/roles.js';
import { Allow } from '../../graphql/access.js';
import { connectionOf } from '../../graphql/relay/connection.js';
import { Node } from '../../graphql/relay/node.js';
import { NodeType } from '../../graphql/relay/node-type.js';
import { orderOf } from '../../graphql/relay/ordering.js';

@Entity('api_keys')
@Allow(Role.ADMIN, Scope.ADMIN)
@ObjectType('ApiKey', {
  implements: Node,
  simpleResolvers: true,
  description: 'Credential for machine clients. Only a hash of the key is stored.',
})
export class ApiKey extends Node {
  @Column('text')
  @Field({ description: 'Name of the key: what it is used for.' })
  name!: string;

  @Column('text')
  @Field({ description: 'First part of the key. It identifies the key and is not secret.' })
  prefix!: string;

  @Column('bytea', { name: 'secret_hash', select: false })
  secretHash!: Buffer;

  @Column('text')
  @Field(() => Role, { description: 'Role of the key.' })
  role!: Role;

  @Column('text', { array: true, nullable: true })
  @Field(() => [Scope], {
    nullable: true,
    description: 'Scopes that restrict the role; null when the key has all permissions of its role.',
  })
  scopes!: Scope[] | null;

  @Column('text', { name: 'created_by' })
  @Field({ description: 'Actor that created the key, in the format of `AuditEvent.actor`.' })
  createdBy!: string;

  @Column({ name: 'expires_at', type: 'timestamptz', precision: 3, nullable: true })
  @Field(() => Date, {
    nullable: true,
    description: 'Time at which the key expires; null when it does not expire.',
  })
  expiresAt!: Date | null;

  @Column({ name: 'revoked_at', type: 'timestamptz', precision: 3, nullable: true })
  @Field(() => Date, {
    nullable: true,
    description: 'Time at which the key was revoked; null when it is not revoked.',
  })
  revokedAt!: Date | null;

  @Column({ name: 'last_used_at', type: 'timestamptz', precision: 3, nullable: true })
  @Field(() => Date, {
    nullable: true,
    description:
      'Time of the last request with this key, updated about once per minute; null when it was never used.',
  })
  lastUsedAt!: Date | null;

  @CreateDateColumn({ name: 'created_at', type: 'timestamptz', precision: 3 })
  @Field(() => Date, { description: 'Time at which the key was created.' })
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
