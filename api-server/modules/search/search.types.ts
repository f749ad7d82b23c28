import { Length } from 'class-validator';
import { ArgsType, createUnionType, Field, registerEnumType } from 'type-graphql';
import { connectionTypes } from '../../graphql/relay/connection.js';
import { PageArgs } from '../../graphql/relay/paging.js';
import { Environment } from '../environments/environment.entity.js';
import { Incident } from '../incidents/incident.entity.js';
import { Release } from '../releases/release.entity.js';
import { Service } from '../services/service.entity.js';

export const SearchType = {
  SERVICE: 'SERVICE',
  ENVIRONMENT: 'ENVIRONMENT',
  RELEASE: 'RELEASE',
  INCIDENT: 'INCIDENT',
} as const;
export type SearchType = (typeof SearchType)[keyof typeof SearchType];
registerEnumType(SearchType, {
  name: 'SearchType',
  description: 'Type of a search result.',
  valuesConfig: {
    SERVICE: { description: 'Services that are not archived.' },
    ENVIRONMENT: { description: 'Environments that are not archived.' },
    RELEASE: { description: 'Releases.' },
    INCIDENT: { description: 'Incidents.' },
  },
});

export type FoundNode = Service | Environment | Release | Incident;

export const SearchResult = createUnionType({
  name: 'SearchResult',
  description: 'An object that `search` returns.',
  types: () => [Service, Environment, Release, Incident] as const,
});

export const SearchResultConnection = connectionTypes<FoundNode>(() => SearchResult, 'SearchResult');

@ArgsType()
export class SearchArgs extends PageArgs {
  @Length(2, 100, { message: 'must be 2 to 100 characters long' })
  @Field({
    description:
      'Search text, 2 to 100 characters. It matches a part of the name, owner or description of services and environments, the start of the version or commit of releases, and words of the title or description of incidents.',
  })
  query!: string;

  @Field(() => [SearchType], {
    nullable: true,
    description: 'Types of the results. The default is all types.',
  })
  types?: SearchType[] | null;
}
