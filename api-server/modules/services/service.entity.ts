import { Field, ObjectType } from 'type-graphql';
import { Column, CreateDateColumn, Entity, UpdateDateColumn } from 'typeorm';
import { AllowRead } from '../../graphql/access.js';
import { connectionOf } from '../../graphql/relay/connection.js';
import { Node } from '../../graphql/relay/node.js';
import { NodeType } from '../../graphql/relay/node-type.js';
import { orderOf } from '../../graphql/relay/ordering.js';

@Entity('services')
@AllowRead()
@ObjectType('Service', { implements: Node, simpleResolvers: true, description: 'A deployable service.' })
export class Service extends Node {
  @Column('text')
  @Field({ description: 'Unique, immutable name: 1 to 63 lower-case letters, digits and hyphens.' })
  name!: string;

  @Column('text', { nullable: true })
  @Field(() => String, { nullable: true, description: 'Description of the service.' })
  description!: string | null;

  @Column('text', { nullable: true })
  @Field(() => String, { nullable: true, description: 'Team that is responsible for the service.' })
  owner!: string | null;

  @Column('text', { nullable: true })
  @Field(() => String, { nullable: true, description: 'URL of the source code repository.' })
  repository!: string | null;

  @Column({ name: 'archived_at', type: 'timestamptz', precision: 3, nullable: true })
  @Field(() => Date, {
    nullable: true,
    description:
      'Time at which the service was archived; null when it is not archived. An archived service accepts no deployments.',
  })
  archivedAt!: Date | null;

  @CreateDateColumn({ name: 'created_at', type: 'timestamptz', precision: 3 })
  @Field(() => Date, { description: 'Time at which the service was created.' })
  createdAt!: Date;

  @UpdateDateColumn({ name: 'updated_at', type: 'timestamptz', precision: 3 })
  @Field(() => Date, { description: 'Time of the last change of the service.' })
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
