import { Field, ID, Int, ObjectType, registerEnumType } from 'type-graphql';
import { Column, CreateDateColumn, Entity } from 'typeorm';
import { Role, Scope } from '../../auth/roles.js';
import { Allow } from '../../graphql/access.js';
import { connectionOf } from '../../graphql/relay/connection.js';
import { Node } from '../../graphql/relay/node.js';
import { NodeType } from '../../graphql/relay/node-type.js';
import { orderOf } from '../../graphql/relay/ordering.js';

export const WebhookMessageStatus = { PENDING: 'PENDING', DELIVERED: 'DELIVERED', FAILED: 'FAILED' } as const;
export type WebhookMessageStatus = (typeof WebhookMessageStatus)[keyof typeof WebhookMessageStatus];
registerEnumType(WebhookMessageStatus, {
  name: 'WebhookMessageStatus',
  description: 'Delivery status of a message.',
  valuesConfig: {
    PENDING: { description: 'The message waits for its first attempt or its next retry.' },
    DELIVERED: { description: 'The endpoint accepted the message.' },
    FAILED: {
      description: 'Delivery failed and is not retried. Retry it with `retryWebhookMessages`.',
    },
  },
});

@Entity('webhook_messages')
@Allow(Role.OPERATOR, Scope.WEBHOOKS)
@ObjectType('WebhookMessage', {
  implements: Node,
  simpleResolvers: true,
  description: 'A message to a webhook: one event, with its delivery status.',
})
export class WebhookMessage extends Node {
  @Field(() => ID, { description: 'Value of the header `webhook-id` of the message.' })
  get messageId(): string {
    return this.uuid;
  }

  @Column('uuid', { name: 'webhook_id' })
  webhookId!: string;

  @Column('text')
  @Field(() => WebhookMessageStatus, { description: 'Delivery status.' })
  status!: WebhookMessageStatus;

  @Column('integer')
  @Field(() => Int, { description: 'Number of delivery attempts.' })
  attempts!: number;

  @Column('text', { name: 'last_error', nullable: true })
  @Field(() => String, {
    nullable: true,
    description: 'Error of the last attempt; null when there was none or the message is delivered.',
  })
  lastError!: string | null;

  @Column({ name: 'delivered_at', type: 'timestamptz', precision: 3, nullable: true })
  @Field(() => Date, {
    nullable: true,
    description: 'Time of the successful delivery; null when the message is not delivered.',
  })
  deliveredAt!: Date | null;

  @CreateDateColumn({ name: 'created_at', type: 'timestamptz', precision: 3 })
  @Field(() => Date, { description: 'Time at which the message was created.' })
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
