import { Field, ObjectType, registerEnumType } from 'type-graphql';
import { Column, CreateDateColumn, Entity, UpdateDateColumn } from 'typeorm';
import { AllowRead } from '../../graphql/access.js';
import { connectionOf } from '../../graphql/relay/connection.js';
import { Node } from '../../graphql/relay/node.js';
import { NodeType } from '../../graphql/relay/node-type.js';
import { orderOf } from '../../graphql/relay/ordering.js';

export const IncidentSeverity = { LOW: 'LOW', MEDIUM: 'MEDIUM', HIGH: 'HIGH', CRITICAL: 'CRITICAL' } as const;
export type IncidentSeverity = (typeof IncidentSeverity)[keyof typeof IncidentSeverity];
registerEnumType(IncidentSeverity, {
  name: 'IncidentSeverity',
  description: 'Severity of an incident.',
  valuesConfig: {
    LOW: { description: 'Minor impact.' },
    MEDIUM: { description: 'Part of the service is degraded.' },
    HIGH: { description: 'The service is severely degraded.' },
    CRITICAL: { description: 'The service is unavailable.' },
  },
});

@Entity('incidents')
@AllowRead()
@ObjectType('Incident', {
  implements: Node,
  simpleResolvers: true,
  description: 'A period in which a service was degraded or unavailable in an environment.',
})
export class Incident extends Node {
  @Column('uuid', { name: 'service_id' })
  serviceId!: string;

  @Column('text', { name: 'environment' })
  environmentName!: string;

  @Column('uuid', { name: 'deployment_id', nullable: true })
  deploymentId!: string | null;

  @Column('text')
  @Field({ description: 'Short summary of the incident.' })
  title!: string;

  @Column('text', { nullable: true })
  @Field(() => String, { nullable: true, description: 'Details of the incident.' })
  description!: string | null;

  @Column('text')
  @Field(() => IncidentSeverity, { description: 'Severity of the incident.' })
  severity!: IncidentSeverity;

  @Column({ name: 'opened_at', type: 'timestamptz', precision: 3 })
  @Field(() => Date, { description: 'Time at which the incident started. The time to restore starts here.' })
  openedAt!: Date;

  @Column({ name: 'resolved_at', type: 'timestamptz', precision: 3, nullable: true })
  @Field(() => Date, {
    nullable: true,
    description: 'Time at which the incident was resolved; null while it is open.',
  })
  resolvedAt!: Date | null;

  @Column('text', { name: 'idempotency_key', nullable: true, select: false })
  idempotencyKey!: string | null;

  @Column('text', { name: 'request_digest', nullable: true, select: false })
  requestDigest!: string | null;

  @CreateDateColumn({ name: 'created_at', type: 'timestamptz', precision: 3 })
  createdAt!: Date;

  @UpdateDateColumn({ name: 'updated_at', type: 'timestamptz', precision: 3 })
  updatedAt!: Date;
}

export const IncidentConnection = connectionOf(Incident, 'Incident');

export const incidentType = new NodeType('Incident', Incident, {
  needs: { service: ['serviceId'], environment: ['environmentName'], causedBy: ['deploymentId'] },
  orders: {
    OPENED_AT: {
      parts: [
        { property: 'openedAt', type: 'timestamp' },
        { property: 'uuid', type: 'uuid' },
      ],
    },
  },
  defaultDirection: 'DESC',
});

export const IncidentOrder = orderOf('Incident', incidentType.orders);
