import { Field, ObjectType } from 'type-graphql';
import { Column, CreateDateColumn, Entity, UpdateDateColumn } from 'typeorm';
import { connectionOf } from '../../platform/graphql/relay/connection.js';
import type { Keyset } from '../../platform/graphql/relay/keyset.js';
import { Node } from '../../platform/graphql/relay/node.js';

@Entity('services')
@ObjectType('Service', { implements: Node, description: 'Something that is deployed.' })
export class Service extends Node {
  @Column('text')
  @Field({ description: 'Unique; lower-case letters, digits and dashes.' })
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

  @CreateDateColumn({ name: 'created_at', type: 'timestamptz', precision: 3 })
  @Field(() => Date)
  createdAt!: Date;

  @UpdateDateColumn({ name: 'updated_at', type: 'timestamptz', precision: 3 })
  @Field(() => Date)
  updatedAt!: Date;
}

export const ServiceConnection = connectionOf(Service, 'Service');

export const servicesByName: Keyset<Service> = {
  parts: [{ property: 'name', type: 'text' }],
  direction: 'ASC',
};
