import { Field, ObjectType } from 'type-graphql';
import { Column, CreateDateColumn, Entity, UpdateDateColumn } from 'typeorm';
import { AllowRead } from '../../platform/auth/access.js';
import { connectionOf } from '../../platform/graphql/relay/connection.js';
import { Node } from '../../platform/graphql/relay/node.js';
import { NodeType } from '../../platform/graphql/relay/node-type.js';
import { orderOf } from '../../platform/graphql/relay/ordering.js';

@Entity('environments')
@AllowRead()
@ObjectType('Environment', {
  implements: Node,
  simpleResolvers: true,
  description: 'Where services run, for instance production. The first deployment into one makes it.',
})
export class Environment extends Node {
  @Column('text')
  @Field({ description: 'Unique, and never changed; lower-case letters, digits and dashes.' })
  name!: string;

  @Column('text', { nullable: true })
  @Field(() => String, { nullable: true })
  description!: string | null;

  @Column({ name: 'archived_at', type: 'timestamptz', precision: 3, nullable: true })
  @Field(() => Date, { nullable: true, description: 'Since when it is no longer deployed to.' })
  archivedAt!: Date | null;

  @CreateDateColumn({ name: 'created_at', type: 'timestamptz', precision: 3 })
  @Field(() => Date)
  createdAt!: Date;

  @UpdateDateColumn({ name: 'updated_at', type: 'timestamptz', precision: 3 })
  @Field(() => Date)
  updatedAt!: Date;
}

export const EnvironmentConnection = connectionOf(Environment, 'Environment');

export const environmentType = new NodeType('Environment', Environment, {
  needs: { deployments: ['name'], incidents: ['name'] },
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

export const EnvironmentOrder = orderOf('Environment', environmentType.orders);
