import { Field, ID, Int, ObjectType, registerEnumType } from 'type-graphql';
import { Column, CreateDateColumn, Entity } from 'typeorm';
import { Allow } from '../../platform/auth/access.js';
import { Role, Scope } from '../../platform/auth/roles.js';
import { connectionOf } from '../../platform/graphql/relay/connection.js';
import { Node } from '../../platform/graphql/relay/node.js';
import { NodeType } from '../../platform/graphql/relay/node-type.js';
import { orderOf } from '../../platform/graphql/relay/ordering.js';

export const WebhookMessageStatus = { PENDING: 'PENDING', DELIVERED: 'DELIVERED', FAILED: 'FAILED' } as const;
export type WebhookMessageStatus = (typeof WebhookMessageStatus)[keyof typeof WebhookMessageStatus];
registerEnumType(WebhookMessageStatus, {
  name: 'WebhookMessageStatus',
  description: 'FAILED: not tried again by itself.',
});

@Entity('webhook_messages')
@Allow(Role.OPERATOR, Scope.WEBHOOKS)
@ObjectType('WebhookMessage', {
  implements: Node,
  simpleResolvers: true,
  description: 'What a webhook was told, or is to be told.',
})
export class WebhookMessage extends Node {
  @Field(() => ID, { description: 'What the header webhook-id says.' })
  get messageId(): string {
    return this.uuid;
  }

  @Column('uuid', { name: 'webhook_id' })
  webhookId!: string;

  @Column('text')
  @Field(() => WebhookMessageStatus)
  status!: WebhookMessageStatus;

  @Column('integer')
  @Field(() => Int, { description: 'How often it was tried.' })
  attempts!: number;

  @Column('text', { name: 'last_error', nullable: true })
  @Field(() => String, { nullable: true })
  lastError!: string | null;

  @Column({ name: 'delivered_at', type: 'timestamptz', precision: 3, nullable: true })
  @Field(() => Date, { nullable: true })
  deliveredAt!: Date | null;

  @CreateDateColumn({ name: 'created_at', type: 'timestamptz', precision: 3 })
  @Field(() => Date)
  createdAt!: Date;
}

export const WebhookMessageConnection = connectionOf(WebhookMessage, 'WebhookMessage');

export const webhookMessageType = new NodeType('WebhookMessage', WebhookMessage, {
  needs: { messageId: ['uuid'] },
  orders: {
    CREATED_AT: {
      parts: [
        { property: 'createdAt', type: 'timestamp' },
        { property: 'uuid', type: 'uuid' },
      ],
    },
  },
  defaultDirection: 'DESC',
});

export const WebhookMessageOrder = orderOf('WebhookMessage', webhookMessageType.orders);
