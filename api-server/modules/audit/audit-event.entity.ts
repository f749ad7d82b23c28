import { GraphQLJSONObject } from 'graphql-scalars';
import { Field, ObjectType, registerEnumType } from 'type-graphql';
import { Column, Entity } from 'typeorm';
import { Allow } from '../../platform/auth/access.js';
import { Role, Scope } from '../../platform/auth/roles.js';
import { connectionOf } from '../../platform/graphql/relay/connection.js';
import { Node } from '../../platform/graphql/relay/node.js';
import { NodeType } from '../../platform/graphql/relay/node-type.js';
import { orderOf } from '../../platform/graphql/relay/ordering.js';

export const AuditOutcome = { SUCCEEDED: 'SUCCEEDED', FAILED: 'FAILED', DENIED: 'DENIED' } as const;
export type AuditOutcome = (typeof AuditOutcome)[keyof typeof AuditOutcome];
registerEnumType(AuditOutcome, { name: 'AuditOutcome' });

@Entity('audit_events')
@Allow(Role.ADMIN, Scope.ADMIN)
@ObjectType('AuditEvent', {
  implements: Node,
  simpleResolvers: true,
  description: 'What somebody did, or tried to.',
})
export class AuditEvent extends Node {
  @Column({ name: 'occurred_at', type: 'timestamptz', precision: 3 })
  @Field(() => Date)
  occurredAt!: Date;

  @Column('text')
  @Field({ description: 'Who: `user:`, `key:` or `token:` and an id, or `open` where nobody has to say.' })
  actor!: string;

  @Column('text', { name: 'actor_name' })
  @Field({ description: 'What who did it was called then.' })
  actorName!: string;

  @Column('text', { nullable: true })
  @Field(() => Role, { nullable: true, description: 'The role it was done with.' })
  role!: Role | null;

  @Column('text')
  @Field({ description: 'The mutation, or what was done at the login.' })
  action!: string;

  @Column('jsonb')
  @Field(() => GraphQLJSONObject, { description: 'The arguments, without what is secret.' })
  input!: object;

  @Column('text', { nullable: true })
  @Field(() => String, { nullable: true, description: 'The id of what it was done to.' })
  subject!: string | null;

  @Column('text')
  @Field(() => AuditOutcome)
  outcome!: AuditOutcome;

  @Column('text', { name: 'error_code', nullable: true })
  @Field(() => String, { nullable: true })
  errorCode!: string | null;

  @Column('text', { name: 'request_id', nullable: true })
  @Field(() => String, { nullable: true, description: 'Under which the log has more.' })
  requestId!: string | null;
}

export const AuditEventConnection = connectionOf(AuditEvent, 'AuditEvent');

export const auditEventType = new NodeType('AuditEvent', AuditEvent, {
  orders: {
    OCCURRED_AT: {
      parts: [
        { property: 'occurredAt', type: 'timestamp' },
        { property: 'uuid', type: 'uuid' },
      ],
    },
  },
  defaultDirection: 'DESC',
});

export const AuditEventOrder = orderOf('AuditEvent', auditEventType.orders);
