import { Field, ObjectType } from 'type-graphql';
import { Column, CreateDateColumn, Entity, UpdateDateColumn } from 'typeorm';
import { Role, Scope } from '../../auth/roles.js';
import { Allow } from '../../graphql/access.js';
import { connectionOf } from '../../graphql/relay/connection.js';
import { Node } from '../../graphql/relay/node.js';
import { NodeType } from '../../graphql/relay/node-type.js';
import { orderOf } from '../../graphql/relay/ordering.js';
import { DomainEventKind } from '../events/event-kind.js';

@Entity('webhooks')
@Allow(Role.OPERATOR, Scope.WEBHOOKS)
@ObjectType('Webhook', {
  implements: Node,
  simpleResolvers: true,
  description:
    'An HTTP endpoint that receives events. Messages are signed as specified by standardwebhooks.com.',
})
export class Webhook extends Node {
  @Column('text')
  @Field({ description: 'URL to which messages are sent with POST.' })
  url!: string;

  @Column('text', { nullable: true })
  @Field(() => String, { nullable: true, description: 'Description of the webhook.' })
  description!: string | null;

  @Column('text', { array: true })
  @Field(() => [DomainEventKind], { description: 'Event kinds that the webhook receives.' })
  events!: DomainEventKind[];

  @Column('uuid', { name: 'service_id', nullable: true })
  serviceId!: string | null;

  @Column('text', { name: 'environment', nullable: true })
  @Field(() => String, {
    nullable: true,
    description: 'Name of an environment: the webhook receives only its events. Null for all environments.',
  })
  environmentName!: string | null;

  @Column('boolean')
  @Field({ description: 'Whether the webhook receives new events.' })
  enabled!: boolean;

  /** Only the worker reads it. The API returns it once, when it is created. */
  @Column('text', { select: false })
  secret!: string;

  /** Also signs messages until it expires. */
  @Column('text', { name: 'previous_secret', nullable: true, select: false })
  previousSecret!: string | null;

  @Column({ name: 'previous_secret_expires', type: 'timestamptz', precision: 3, nullable: true })
  @Field(() => Date, {
    nullable: true,
    description:
      'Time until which messages are also signed with the previous secret; null when the secret was never rotated.',
  })
  previousSecretExpires!: Date | null;

  @CreateDateColumn({ name: 'created_at', type: 'timestamptz', precision: 3 })
  @Field(() => Date, { description: 'Time at which the webhook was created.' })
  createdAt!: Date;

  @UpdateDateColumn({ name: 'updated_at', type: 'timestamptz', precision: 3 })
  @Field(() => Date, { description: 'Time of the last change of the webhook.' })
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
