import type { GraphQLResolveInfo } from 'graphql';
import { Arg, Args, Ctx, FieldResolver, Info, Mutation, Query, Resolver, Root } from 'type-graphql';
import { Role, Scope } from '../../auth/roles.js';
import { between, type Condition, oneOf } from '../../database/conditions.js';
import type { DataSource } from '../../database/pool/data-source.js';
import { Allow, AllowRead } from '../../graphql/access.js';
import type { Page } from '../../graphql/relay/connection.js';
import { listQuery, rootPage } from '../../graphql/relay/list.js';
import { selectedFields } from '../../graphql/relay/selection.js';
import type { GraphqlContext } from '../context.js';
import { ofService } from '../services/of-service.js';
import { Service } from '../services/service.entity.js';
import { Release, ReleaseConnection, releaseType } from './release.entity.js';
import {
  CreateReleaseInput,
  type ReleaseFilter,
  ReleasesArgs,
  ReleasesOfServiceArgs,
} from './release.inputs.js';
import type { ReleaseService } from './release.service.js';

@Resolver(() => Release)
export class ReleaseResolver {
  constructor(
    private readonly dataSource: DataSource,
    private readonly releases: ReleaseService,
  ) {}

  @AllowRead()
  @Query(() => ReleaseConnection, { name: 'releases', description: 'Lists releases, newest first.' })
  async all(
    @Args(() => ReleasesArgs) args: ReleasesArgs,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Page<Release>> {
    const { serviceId, filter } = args;
    const where = [...ofService<Release>(serviceId), ...conditions(filter)];
    return rootPage(this.dataSource, releaseType, listQuery(releaseType, args, where, info));
  }

  @Allow(Role.OPERATOR, Scope.CATALOG)
  @Mutation(() => Release, {
    description:
      'Records a release, or returns the existing one. `recordDeployment` also records releases, so this is only needed for releases that are not deployed.',
  })
  async createRelease(
    @Arg('input', () => CreateReleaseInput, { description: 'Properties of the release.' })
    input: CreateReleaseInput,
  ): Promise<Release> {
    return this.releases.create(input);
  }

  @FieldResolver(() => Service, { description: 'Service of the release.' })
  service(
    @Root() release: Release,
    @Ctx() { loaders }: GraphqlContext,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Service | null> {
    return loaders.service.load(release.serviceId, selectedFields(info));
  }
}

/** The connection `Service.releases`. The module `services` does not import this one. */
@Resolver(() => Service)
export class ServiceReleasesResolver {
  @FieldResolver(() => ReleaseConnection, { description: 'Releases of the service, newest first.' })
  releases(
    @Root() service: Service,
    @Args(() => ReleasesOfServiceArgs) args: ReleasesOfServiceArgs,
    @Ctx() { loaders }: GraphqlContext,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Page<Release>> {
    const query = listQuery(releaseType, args, conditions(args.filter), info);
    return loaders.releases.load('serviceId', service.uuid, query);
  }
}

function conditions(filter: ReleaseFilter | null | undefined): Condition<Release>[] {
  if (!filter) return [];
  return [
    ...oneOf<Release>('version', filter.version),
    ...oneOf<Release>('commit', filter.commit),
    ...between<Release>('createdAt', { from: filter.createdFrom, to: filter.createdTo }),
    ...between<Release>('committedAt', { from: filter.committedFrom, to: filter.committedTo }),
  ];
}
