import type { GraphQLObjectType, GraphQLResolveInfo } from 'graphql';
import { Args, Ctx, Info, Query, Resolver } from 'type-graphql';
import type { DataSource } from 'typeorm';
import { AllowRead } from '../../platform/auth/access.js';
import { Cached } from '../../platform/graphql/cache/cacheable.js';
import { badUserInput } from '../../platform/graphql/errors.js';
import { type Page, toPage } from '../../platform/graphql/relay/connection.js';
import { pageRequest } from '../../platform/graphql/relay/paging.js';
import { type FieldNames, selectedFields } from '../../platform/graphql/relay/selection.js';
import type { GraphqlContext } from '../context.js';
import type { Loaders } from '../loaders.js';
import { countHits, type Hit, hitsByRank, searchPage } from './search.queries.js';
import { type Found, SearchArgs, SearchResultConnection, SearchType } from './search.types.js';

@Resolver()
export class SearchResolver {
  constructor(private readonly dataSource: DataSource) {}

  @AllowRead()
  @Cached(15)
  @Query(() => SearchResultConnection, {
    complexity: 50,
    description: 'Services, environments, releases and incidents; what is called so comes first.',
  })
  async search(
    @Args(() => SearchArgs) args: SearchArgs,
    @Ctx() { loaders }: GraphqlContext,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Page<Found>> {
    const { query } = args;
    if (query.trim().length < 2) {
      throw badUserInput({ field: 'query', message: 'must be 2 to 100 characters long' });
    }
    const types = [...new Set(args.types ?? Object.values(SearchType))].sort();
    if (types.length === 0) throw badUserInput({ field: 'types', message: 'must not be empty' });
    const request = pageRequest(args);
    const rows = await searchPage(this.dataSource, query, types, request);
    const page = toPage(hitsByRank, request, rows, () => countHits(this.dataSource, query, types));
    const asked = askedOf(info);
    const found = await Promise.all(
      page.edges.map(async ({ cursor, node }) => ({
        cursor,
        node: await load(loaders, node, asked[node.kind]),
      })),
    );
    // One that was deleted a moment ago is left out.
    return {
      ...page,
      edges: found.filter((edge): edge is { cursor: string; node: Found } => edge.node !== null),
    };
  }
}

/** The fields asked of each type: look-ahead finds those of all the fragments together. */
function askedOf(info: GraphQLResolveInfo): Record<SearchType, FieldNames> {
  const all = [...selectedFields(info, 'edges', 'node')];
  const ofType = (name: string) => {
    const fields = (info.schema.getType(name) as GraphQLObjectType).getFields();
    return new Set(all.filter((field) => Object.hasOwn(fields, field)));
  };
  return {
    SERVICE: ofType('Service'),
    ENVIRONMENT: ofType('Environment'),
    RELEASE: ofType('Release'),
    INCIDENT: ofType('Incident'),
  };
}

function load(loaders: Loaders, { kind, uuid }: Hit, fields: FieldNames): Promise<Found | null> {
  switch (kind) {
    case 'SERVICE':
      return loaders.service.load(uuid, fields);
    case 'ENVIRONMENT':
      return loaders.environment.load(uuid, fields);
    case 'RELEASE':
      return loaders.release.load(uuid, fields);
    case 'INCIDENT':
      return loaders.incident.load(uuid, fields);
  }
}
