import { GraphQLJSONObject } from 'graphql-scalars';
import { Field, ObjectType, registerEnumType } from 'type-graphql';
import { Column, Entity } from 'typeorm';
import { Role, Scope } from '../../auth/roles.js';
import { Allow } from '../../graphql/access.js';
import { connectionOf } from '../../graphql/relay/connection.js';
import { Node } from '../../graphql/relay/node.js';
import { NodeType } from '../../graphql/relay/node-type.js';
import { orderOf } from '../../graphql/relay/ordering.js';

export const AuditOutcome = { SUCCEEDED: 'SUCCEEDED', FAILED: 'FAILED', DENIED: 'DENIED' } as const;
export type AuditOutcome = (typeof AuditOutcome)[keyof typeof AuditOutcome];
registerEnumType(AuditOutcome, {
  name: 'AuditOutcome',
  description: 'Outcome of an action in the audit log.',
  valuesConfig: {
    SUCCEEDED: { description: 'The action succeeded.' },
    FAILED: { description: 'The action failed with an error.' },
    DENIED: { description: 'The actor was not authenticated or lacks the permission.' },
  },
});

@Entity('audit_events')
@Allow(Role.ADMIN, Scope.ADMIN)
@ObjectType('AuditEvent', {
  implements: Node,
  simpleResolvers: true,
  description: 'Record of an action in the audit log: a mutation or a login operation, successful or not.',
})
export class AuditEvent extends Node {
  @Column({ name: 'occurred_at', type: 'timestamptz', precision: 3 })
  @Field(() => Date, { description: 'Time of the action.' })
  occurredAt!: Date;

  @Column('text')
  @Field({
    description:
      'Actor of the action: `user:`, `key:` or `token:`, followed by an ID; `command` for the command line; `open` when authentication is disabled or the user is unknown.',
  })
  actor!: string;

  @Column('text', { name: 'actor_name' })
  @Field({ description: 'Name of the actor at the time of the action.' })
  actorName!: string;

  @Column('text', { nullable: true })
  @Field(() => Role, {
    nullable: true,
    description:
      'Role of the actor at the time of the action; null for the command line and for unknown users.',
  })
  role!: Role | null;

  @Column('text')
  @Field({ description: 'Name of the mutation, or `login`, `refresh`, `logout` or `changePassword`.' })
  action!: string;

  @Column('jsonb')
  @Field(() => GraphQLJSONObject, { description: 'Arguments of the action. Secrets are redacted.' })
  input!: object;

  @Column('text', { nullable: true })
  @Field(() => String, {
    nullable: true,
    description: 'ID of the object of the action; null when there is none.',
  })
  subject!: string | null;

  @Column('text')
  @Field(() => AuditOutcome, { description: 'Outcome of the action.' })
  outcome!: AuditOutcome;

  @Column('text', { name: 'error_code', nullable: true })
  @Field(() => String, {
    nullable: true,
    description: 'Error code of the response; null when the action succeeded.',
  })
  errorCode!: string | null;

  @Column('text', { name: 'request_id', nullable: true })
  @Field(() => String, {
    nullable: true,
    description: 'ID of the HTTP request. Log lines of the request have the same ID.',
  })
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
