import { Field, Int, ObjectType } from 'type-graphql';
import { Column, CreateDateColumn, Entity, UpdateDateColumn } from 'typeorm';
import { AllowRead } from '../../graphql/access.js';
import { connectionOf } from '../../graphql/relay/connection.js';
import { Node } from '../../graphql/relay/node.js';
import { NodeType } from '../../graphql/relay/node-type.js';
import { orderOf } from '../../graphql/relay/ordering.js';
import { DeploymentStatus, DeploymentStrategy } from './deployment-status.js';

@Entity('deployments')
@AllowRead()
@ObjectType('Deployment', {
  implements: Node,
  simpleResolvers: true,
  description: 'A rollout of one version of a service to an environment.',
})
export class Deployment extends Node {
  @Column('uuid', { name: 'service_id' })
  serviceId!: string;

  @Column('text', { name: 'environment' })
  environmentName!: string;

  @Column('uuid', { name: 'release_id', nullable: true })
  releaseId!: string | null;

  @Column('text')
  @Field({ description: 'Deployed version, for example an image tag.' })
  version!: string;

  @Column('text', { nullable: true })
  @Field(() => String, { nullable: true, description: 'Git commit from which the version was built.' })
  commit!: string | null;

  @Column({ name: 'committed_at', type: 'timestamptz', precision: 3, nullable: true })
  @Field(() => Date, {
    nullable: true,
    description: 'Time of the commit. The lead time for changes starts here.',
  })
  committedAt!: Date | null;

  @Column('text')
  @Field(() => DeploymentStatus, { description: 'Status of the deployment.' })
  status!: DeploymentStatus;

  @Column('text', { nullable: true })
  @Field(() => DeploymentStrategy, {
    nullable: true,
    description: 'Deployment strategy; null when it was not reported.',
  })
  strategy!: DeploymentStrategy | null;

  @Column('smallint', { nullable: true })
  @Field(() => Int, {
    nullable: true,
    description:
      'Share of the traffic that the new version receives, in percent; null when it was not reported.',
  })
  weight!: number | null;

  @Column('text', { nullable: true })
  @Field(() => String, { nullable: true, description: 'Reason for the current status or weight.' })
  reason!: string | null;

  @Column({ name: 'started_at', type: 'timestamptz', precision: 3 })
  @Field(() => Date, { description: 'Time at which the deployment started.' })
  startedAt!: Date;

  @Column({ name: 'finished_at', type: 'timestamptz', precision: 3, nullable: true })
  @Field(() => Date, {
    nullable: true,
    description: 'Time at which the deployment finished; null while it is in progress.',
  })
  finishedAt!: Date | null;

  /** Unique per service, so that a retry of `recordDeployment` does not create a second row. */
  @Column('text', { name: 'idempotency_key', select: false })
  idempotencyKey!: string;

  /** Null for rows of versions of this API that stored no digest. */
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
