import { Field, ObjectType } from 'type-graphql';
import { Column, CreateDateColumn, Entity } from 'typeorm';
import { AllowRead } from '../../graphql/access.js';
import { connectionOf } from '../../graphql/relay/connection.js';
import { Node } from '../../graphql/relay/node.js';
import { NodeType } from '../../graphql/relay/node-type.js';
import { orderOf } from '../../graphql/relay/ordering.js';

@Entity('releases')
@AllowRead()
@ObjectType('Release', {
  implements: Node,
  simpleResolvers: true,
  description: 'A deployable version of a service, with its Git commit and image.',
})
export class Release extends Node {
  @Column('uuid', { name: 'service_id' })
  serviceId!: string;

  @Column('text')
  @Field({ description: 'Version, for example an image tag.' })
  version!: string;

  @Column('text', { nullable: true })
  @Field(() => String, { nullable: true, description: 'Git commit from which the version was built.' })
  commit!: string | null;

  @Column({ name: 'committed_at', type: 'timestamptz', precision: 3, nullable: true })
  @Field(() => Date, { nullable: true, description: 'Time of the commit.' })
  committedAt!: Date | null;

  @Column('text', { name: 'image_digest', nullable: true })
  @Field(() => String, {
    nullable: true,
    description: 'Digest of the container image, for example sha256:4f2c…',
  })
  imageDigest!: string | null;

  @CreateDateColumn({ name: 'created_at', type: 'timestamptz', precision: 3 })
  @Field(() => Date, { description: 'Time at which the release was first recorded.' })
  createdAt!: Date;
}

export const ReleaseConnection = connectionOf(Release, 'Release');

export const releaseType = new NodeType('Release', Release, {
  needs: { service: ['serviceId'], deployments: ['uuid'] },
  orders: {
    CREATED_AT: {
      parts: [
        { property: 'createdAt', type: 'timestamp' },
        { property: 'uuid', type: 'uuid' },
      ],
    },
  },
  defaultDirection: 'DESC',
});

export const ReleaseOrder = orderOf('Release', releaseType.orders);
