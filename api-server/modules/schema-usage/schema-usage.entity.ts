import { Field, Float, ObjectType } from 'type-graphql';
import { Column, Entity } from 'typeorm';
import { Role, Scope } from '../../auth/roles.js';
import { Allow } from '../../graphql/access.js';
import { connectionOf } from '../../graphql/relay/connection.js';
import { Node } from '../../graphql/relay/node.js';
import { NodeType } from '../../graphql/relay/node-type.js';
import { orderOf } from '../../graphql/relay/ordering.js';

@Entity('schema_usage')
@Allow(Role.ADMIN, Scope.ADMIN)
@ObjectType('SchemaUsage', {
  implements: Node,
  simpleResolvers: true,
  description: 'Use of a schema coordinate by a client on one day.',
})
export class SchemaUsage extends Node {
  @Column('text')
  @Field({
    description:
      'Schema coordinate: `Type`, `Type.field`, `Type.field(argument:)`, `Input.field`, `Enum.VALUE`, `@directive` or `@directive(argument:)`. ' +
      'Fragments on another type are recorded as `Parent ... on Type`, and two fields with the same response name as `A.field & B.field`.',
  })
  coordinate!: string;

  @Column('text')
  @Field({
    description:
      'Client: `key:` with the name of the API key; `user:` or `token:`, followed by an ID; `open` when authentication is disabled; `trusted-documents` for documents that are registered, with the count 0; `other` for clients beyond the limit `schema_usage.max_clients`.',
  })
  client!: string;

  @Column('text')
  @Field({
    description: 'Value of the header `apollographql-client-name`; empty when the client does not send it.',
  })
  application!: string;

  @Column('text')
  @Field({
    description:
      'Value of the header `apollographql-client-version`; empty when the client does not send it.',
  })
  version!: string;

  @Column({ type: 'timestamptz', precision: 3 })
  @Field(() => Date, { description: 'Start of the day, in UTC.' })
  day!: Date;

  /** Not `bigint`, which the driver returns as text. Exact up to 2^53. */
  @Column('float8')
  @Field(() => Float, { description: 'Number of operations on this day that used the coordinate.' })
  count!: number;

  @Column({ name: 'last_used_at', type: 'timestamptz', precision: 3 })
  @Field(() => Date, {
    description: 'Time of the last use, exact to ten minutes.',
  })
  lastUsedAt!: Date;
}

export const SchemaUsageConnection = connectionOf(SchemaUsage, 'SchemaUsage');

export const schemaUsageType = new NodeType('SchemaUsage', SchemaUsage, {
  orders: {
    LAST_USED_AT: {
      parts: [
        { property: 'lastUsedAt', type: 'timestamp' },
        { property: 'uuid', type: 'uuid' },
      ],
    },
  },
  defaultDirection: 'DESC',
});

export const SchemaUsageOrder = orderOf('SchemaUsage', schemaUsageType.orders);
