import { Field, ObjectType } from 'type-graphql';
import { Column, CreateDateColumn, Entity, UpdateDateColumn } from 'typeorm';
import { connectionOf } from '../../platform/graphql/relay/connection.js';
import type { Keyset } from '../../platform/graphql/relay/keyset.js';
import { Node } from '../../platform/graphql/relay/node.js';
import { DeploymentStatus } from './deployment-status.js';

/** Where something runs. Just a name so far, but a type, so that it can grow without breaking clients. */
@ObjectType({ description: 'Where services run, for instance production.' })
export class Environment {
  @Field()
  name!: string;
}

@Entity('deployments')
@ObjectType('Deployment', {
  implements: Node,
  description: 'A version of a service put into an environment.',
})
export class Deployment extends Node {
  @Column('uuid', { name: 'service_id' })
  serviceId!: string;

  @Column('text', { name: 'environment' })
  environmentName!: string;

  @Column('text')
  @Field({ description: 'What was deployed, for instance an image tag.' })
  version!: string;

  @Column('text', { nullable: true })
  @Field(() => String, { nullable: true, description: 'The commit it was built from.' })
  commit!: string | null;

  @Column({ name: 'committed_at', type: 'timestamptz', precision: 3, nullable: true })
  @Field(() => Date, { nullable: true })
  committedAt!: Date | null;

  @Column('text')
  @Field(() => DeploymentStatus)
  status!: DeploymentStatus;

  @Column({ name: 'started_at', type: 'timestamptz', precision: 3 })
  @Field(() => Date)
  startedAt!: Date;

  @Column({ name: 'finished_at', type: 'timestamptz', precision: 3, nullable: true })
  @Field(() => Date, { nullable: true })
  finishedAt!: Date | null;

  /** What the caller calls this deployment, so that telling it twice records it once. */
  @Column('text', { name: 'idempotency_key' })
  idempotencyKey!: string;

  @CreateDateColumn({ name: 'created_at', type: 'timestamptz', precision: 3 })
  createdAt!: Date;

  @UpdateDateColumn({ name: 'updated_at', type: 'timestamptz', precision: 3 })
  updatedAt!: Date;
}

export const DeploymentConnection = connectionOf(Deployment, 'Deployment');

export const deploymentsByNewest: Keyset<Deployment> = {
  parts: [
    { property: 'startedAt', type: 'timestamp' },
    { property: 'uuid', type: 'uuid' },
  ],
  direction: 'DESC',
};
