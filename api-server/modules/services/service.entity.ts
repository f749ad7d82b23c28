import { Field, ObjectType } from 'type-graphql';
import { Column, CreateDateColumn, Entity, UpdateDateColumn } from 'typeorm';
import { AllowRead } from '../../platform/auth/access.js';
import { connectionOf } from '../../platform/graphql/relay/connection.js';
import { Node } from '../../platform/graphql/relay/node.js';
import { NodeType } from '../../platform/graphql/relay/node-type.js';
import { orderOf } from '../../platform/graphql/relay/ordering.js';

@Entity('services')
@AllowRead()
@ObjectType('Service', {
  implements: Node,
  simpleResolvers: true,
  description: 'Something that is deployed.',
})
export class Service extends Node {
  @Column('text')
  @Field({ description: 'Unique, and never changed; lower-case letters, digits and dashes.' })
  name!: string;

  @Column('text', { nullable: true })
  @Field(() => String, { nullable: true })
  description!: string | null;

  @Column('text', { nullable: true })
  @Field(() => String, { nullable: true, description: 'The team that answers for it.' })
  owner!: string | null;

  @Column('text', { nullable: true })
  @Field(() => String, { nullable: true, description: 'Where its source is.' })
  repository!: string | null;

  @Column({ name: 'archived_at', type: 'timestamptz', precision: 3, nullable: true })
  @Field(() => Date, {
    nullable: true,
    description:
      'Since when it is no longer deployed. What is archived stays readable, but is in no list by itself.',
  })
  archivedAt!: Date | null;

  @CreateDateColumn({ name: 'created_at', type: 'timestamptz', precision: 3 })
  @Field(() => Date)
  createdAt!: Date;

  @UpdateDateColumn({ name: 'updated_at', type: 'timestamptz', precision: 3 })
  @Field(() => Date)
  updatedAt!: Date;
}

export const ServiceConnection = connectionOf(Service, 'Service');

export const serviceType = new NodeType('Service', Service, {
  needs: { deployments: ['uuid'], releases: ['uuid'], incidents: ['uuid'] },
  orders: {
    NAME: { parts: [{ property: 'name', type: 'text' }] },
    CREATED_AT: {
      parts: [
        { property: 'createdAt', type: 'timestamp' },
        { property: 'uuid', type: 'uuid' },
      ],
    },
  },
  defaultDirection: 'ASC',
});

export const ServiceOrder = orderOf('Service', serviceType.orders);
