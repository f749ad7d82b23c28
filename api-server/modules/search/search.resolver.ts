import type { GraphQLObjectType, GraphQLResolveInfo } from 'graphql';
import { Args, Ctx, Info, Query, Resolver } from 'type-graphql';
import type { DataSource } from '../../database/pool/data-source.js';
import { badUserInput } from '../../errors.js';
import { AllowRead } from '../../graphql/access.js';
import { Cached } from '../../graphql/cache/cacheable.js';
import { type Page, toPage } from '../../graphql/relay/connection.js';
import { pageRequest } from '../../graphql/relay/paging.js';
import { type FieldNames, selectedFields } from '../../graphql/relay/selection.js';
import type { GraphqlContext } from '../context.js';
import type { Loaders } from '../loaders.js';
import { countHits, type Hit, hitsByRank, searchPage } from './search.queries.js';
import { type FoundNode, SearchArgs, SearchResultConnection, SearchType } from './search.types.js';

@Resolver()
export class SearchResolver {
  constructor(private readonly dataSource: DataSource) {}

  @AllowRead()
  @Cached(15)
  @Query(() => SearchResultConnection, {
    complexity: 50,
    description:
      'Searches services, environments, releases and incidents. Exact matches of the name come first, then matches of its start, then all others.',
  })
  async search(
    @Args(() => SearchArgs) args: SearchArgs,
    @Ctx() { loaders }: GraphqlContext,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Page<FoundNode>> {
    const { query } = args;
    if (query.trim().length < 2) {
      throw badUserInput({ field: 'query', message: 'must be 2 to 100 characters long' });
    }
    const types = [...new Set(args.types ?? Object.values(SearchType))].sort();
    if (types.length === 0) throw badUserInput({ field: 'types', message: 'must not be empty' });
    const request = pageRequest(args);
    const rows = await searchPage(this.dataSource, query, types, request);
    const page = toPage(hitsByRank, request, rows, () => countHits(this.dataSource, query, types));
    const selections = selectedFieldsByType(info);
    const found = await Promise.all(
      page.edges.map(async ({ cursor, node }) => ({
        cursor,
        node: await load(loaders, node, selections[node.kind]),
      })),
    );
    // The row may have been deleted after the search.
    return {
      ...page,
      edges: found.filter((edge): edge is { cursor: string; node: FoundNode } => edge.node !== null),
    };
  }
}

/** The selected fields per type. `selectedFields` returns the fields of all fragments together. */
function selectedFieldsByType(info: GraphQLResolveInfo): Record<SearchType, FieldNames> {
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

function load(loaders: Loaders, { kind, uuid }: Hit, fields: FieldNames): Promise<FoundNode | null> {
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
