import { Field, Int, ObjectType } from 'type-graphql';
import { Column, CreateDateColumn, Entity, UpdateDateColumn } from 'typeorm';
import { AllowRead } from '../../platform/auth/access.js';
import { connectionOf } from '../../platform/graphql/relay/connection.js';
import { Node } from '../../platform/graphql/relay/node.js';
import { NodeType } from '../../platform/graphql/relay/node-type.js';
import { orderOf } from '../../platform/graphql/relay/ordering.js';
import { DeploymentStatus, DeploymentStrategy } from './deployment-status.js';

@Entity('deployments')
@AllowRead()
@ObjectType('Deployment', {
  implements: Node,
  simpleResolvers: true,
  description: 'A version of a service put into an environment.',
})
export class Deployment extends Node {
  @Column('uuid', { name: 'service_id' })
  serviceId!: string;

  @Column('text', { name: 'environment' })
  environmentName!: string;

  @Column('uuid', { name: 'release_id', nullable: true })
  releaseId!: string | null;

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

  @Column('text', { nullable: true })
  @Field(() => DeploymentStrategy, { nullable: true })
  strategy!: DeploymentStrategy | null;

  @Column('smallint', { nullable: true })
  @Field(() => Int, { nullable: true, description: 'The share of the traffic it has, in percent.' })
  weight!: number | null;

  @Column('text', { nullable: true })
  @Field(() => String, { nullable: true, description: 'Why it stands as it does.' })
  reason!: string | null;

  @Column({ name: 'started_at', type: 'timestamptz', precision: 3 })
  @Field(() => Date)
  startedAt!: Date;

  @Column({ name: 'finished_at', type: 'timestamptz', precision: 3, nullable: true })
  @Field(() => Date, { nullable: true })
  finishedAt!: Date | null;

  /** What the caller calls this deployment, so that telling it twice records it once. */
  @Column('text', { name: 'idempotency_key', select: false })
  idempotencyKey!: string;

  /** Null if a version recorded it that kept none. */
  @Column('text', { name: 'request_digest', nullable: true, select: false })
  requestDigest!: string | null;

  @Column('text', { name: 'finish_idempotency_key', nullable: true, select: false })
  finishIdempotencyKey!: string | null;

  @Column('text', { name: 'finish_digest', nullable: true, select: false })
  finishDigest!: string | null;

  @CreateDateColumn({ name: 'created_at', type: 'timestamptz', precision: 3 })
  createdAt!: Date;

  @UpdateDateColumn({ name: 'updated_at', type: 'timestamptz', precision: 3 })
  updatedAt!: Date;
}

export const DeploymentConnection = connectionOf(Deployment, 'Deployment');

export const deploymentType = new NodeType('Deployment', Deployment, {
  needs: {
    service: ['serviceId'],
    environment: ['environmentName'],
    release: ['releaseId'],
    incidents: ['uuid'],
  },
  orders: {
    STARTED_AT: {
      parts: [
        { property: 'startedAt', type: 'timestamp' },
        { property: 'uuid', type: 'uuid' },
      ],
    },
  },
  defaultDirection: 'DESC',
});

export const DeploymentOrder = orderOf('Deployment', deploymentType.orders);
