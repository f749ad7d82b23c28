import { Field, ObjectType } from 'type-graphql';
import { Column, CreateDateColumn, Entity, UpdateDateColumn } from 'typeorm';
import { AllowRead } from '../../graphql/access.js';
import { connectionOf } from '../../graphql/relay/connection.js';
import { Node } from '../../graphql/relay/node.js';
import { NodeType } from '../../graphql/relay/node-type.js';
import { orderOf } from '../../graphql/relay/ordering.js';

@Entity('environments')
@AllowRead()
@ObjectType('Environment', {
  implements: Node,
  simpleResolvers: true,
  description:
    'An environment to which services are deployed, for example production. The first deployment to it creates it.',
})
export class Environment extends Node {
  @Column('text')
  @Field({ description: 'Unique, immutable name: 1 to 63 lower-case letters, digits and hyphens.' })
  name!: string;

  @Column('text', { nullable: true })
  @Field(() => String, { nullable: true, description: 'Description of the environment.' })
  description!: string | null;

  @Column({ name: 'archived_at', type: 'timestamptz', precision: 3, nullable: true })
  @Field(() => Date, {
    nullable: true,
    description:
      'Time at which the environment was archived; null when it is not archived. An archived environment accepts no deployments.',
  })
  archivedAt!: Date | null;

  @CreateDateColumn({ name: 'created_at', type: 'timestamptz', precision: 3 })
  @Field(() => Date, { description: 'Time at which the environment was created.' })
  createdAt!: Date;

  @UpdateDateColumn({ name: 'updated_at', type: 'timestamptz', precision: 3 })
  @Field(() => Date, { description: 'Time of the last change of the environment.' })
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
