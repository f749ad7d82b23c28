import type { GraphQLResolveInfo } from 'graphql';
import { Args, ArgsType, Field, Info, InputType, Query, Resolver } from 'type-graphql';
import { Role, Scope } from '../../auth/roles.js';
import { between, oneOf } from '../../database/conditions.js';
import type { DataSource } from '../../database/pool/data-source.js';
import { Allow } from '../../graphql/access.js';
import type { Page } from '../../graphql/relay/connection.js';
import { listQuery, rootPage } from '../../graphql/relay/list.js';
import type { OrderInput } from '../../graphql/relay/ordering.js';
import { PageArgs } from '../../graphql/relay/paging.js';
import {
  SchemaUsage,
  SchemaUsageConnection,
  SchemaUsageOrder,
  schemaUsageType,
} from './schema-usage.entity.js';

@InputType({ description: 'Filters for the use of the schema. Filters are combined with AND.' })
class SchemaUsageFilter {
  @Field(() => [String], {
    nullable: true,
    description: 'Returns uses of these coordinates, such as `Service.owner`.',
  })
  coordinate?: string[] | null;

  @Field(() => [String], {
    nullable: true,
    description: 'Returns uses by these clients, in the format of `SchemaUsage.client`.',
  })
  client?: string[] | null;

  @Field(() => [String], {
    nullable: true,
    description: 'Returns uses by applications with these names.',
  })
  application?: string[] | null;

  @Field(() => Date, { nullable: true, description: 'Returns uses whose last use is at or after this time.' })
  since?: Date | null;
}

@ArgsType()
class SchemaUsageArgs extends PageArgs {
  @Field(() => SchemaUsageFilter, { nullable: true, description: 'Filters for the returned uses.' })
  filter?: SchemaUsageFilter | null;

  @Field(() => SchemaUsageOrder, {
    nullable: true,
    description: 'Sort order. The default is last used first.',
  })
  orderBy?: OrderInput | null;
}

@Resolver(() => SchemaUsage)
export class SchemaUsageResolver {
  constructor(private readonly dataSource: DataSource) {}

  @Allow(Role.ADMIN, Scope.ADMIN)
  @Query(() => SchemaUsageConnection, {
    description: 'Lists which clients use which fields, arguments and enum values, last used first.',
  })
  async schemaUsage(
    @Args(() => SchemaUsageArgs) args: SchemaUsageArgs,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Page<SchemaUsage>> {
    const { coordinate, client, application, since } = args.filter ?? {};
    const where = [
      ...oneOf<SchemaUsage>('coordinate', coordinate),
      ...oneOf<SchemaUsage>('client', client),
      ...oneOf<SchemaUsage>('application', application),
      ...between<SchemaUsage>('lastUsedAt', { from: since }),
    ];
    return rootPage(this.dataSource, schemaUsageType, listQuery(schemaUsageType, args, where, info));
  }
}
