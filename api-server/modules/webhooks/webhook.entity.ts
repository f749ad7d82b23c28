import { Field, ObjectType } from 'type-graphql';
import { Column, CreateDateColumn, Entity, UpdateDateColumn } from 'typeorm';
import { Allow } from '../../platform/auth/access.js';
import { Role, Scope } from '../../platform/auth/roles.js';
import { connectionOf } from '../../platform/graphql/relay/connection.js';
import { Node } from '../../platform/graphql/relay/node.js';
import { NodeType } from '../../platform/graphql/relay/node-type.js';
import { orderOf } from '../../platform/graphql/relay/ordering.js';
import { DomainEventKind } from '../events/event-kind.js';

@Entity('webhooks')
@Allow(Role.OPERATOR, Scope.WEBHOOKS)
@ObjectType('Webhook', {
  implements: Node,
  simpleResolvers: true,
  description: 'An address that is told what happens. Messages are signed as in standardwebhooks.com.',
})
export class Webhook extends Node {
  @Column('text')
  @Field()
  url!: string;

  @Column('text', { nullable: true })
  @Field(() => String, { nullable: true })
  description!: string | null;

  @Column('text', { array: true })
  @Field(() => [DomainEventKind], { description: 'What it is told of.' })
  events!: DomainEventKind[];

  @Column('uuid', { name: 'service_id', nullable: true })
  serviceId!: string | null;

  @Column('text', { name: 'environment', nullable: true })
  @Field(() => String, {
    nullable: true,
    description: 'Told only of what happens in this environment, if set.',
  })
  environmentName!: string | null;

  @Column('boolean')
  @Field({ description: 'Whether new messages are written for it.' })
  enabled!: boolean;

  /** Read by the worker alone, and shown once, to who made it. */
  @Column('text', { select: false })
  secret!: string;

  /** Signs, too, until it expires. */
  @Column('text', { name: 'previous_secret', nullable: true, select: false })
  previousSecret!: string | null;

  @Column({ name: 'previous_secret_expires', type: 'timestamptz', precision: 3, nullable: true })
  @Field(() => Date, {
    nullable: true,
    description: 'Until then messages are signed with the secret before, too.',
  })
  previousSecretExpires!: Date | null;

  @CreateDateColumn({ name: 'created_at', type: 'timestamptz', precision: 3 })
  @Field(() => Date)
  createdAt!: Date;

  @UpdateDateColumn({ name: 'updated_at', type: 'timestamptz', precision: 3 })
  @Field(() => Date)
  updatedAt!: Date;
}

export const WebhookConnection = connectionOf(Webhook, 'Webhook');

export const webhookType = new NodeType('Webhook', Webhook, {
  needs: { service: ['serviceId'], messages: ['uuid'] },
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

export const WebhookOrder = orderOf('Webhook', webhookType.orders);
