import { Length } from 'class-validator';
import { ArgsType, createUnionType, Field, registerEnumType } from 'type-graphql';
import { connectionTypes } from '../../platform/graphql/relay/connection.js';
import { PageArgs } from '../../platform/graphql/relay/paging.js';
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
registerEnumType(SearchType, { name: 'SearchType', description: 'What is looked for.' });

export type Found = Service | Environment | Release | Incident;

export const SearchResult = createUnionType({
  name: 'SearchResult',
  types: () => [Service, Environment, Release, Incident] as const,
});

export const SearchResultConnection = connectionTypes<Found>(() => SearchResult, 'SearchResult');

@ArgsType()
export class SearchArgs extends PageArgs {
  @Length(2, 100, { message: 'must be 2 to 100 characters long' })
  @Field({
    description:
      'Part of the name, owner or description of a service or environment; the begin of a version or commit; words of an incident.',
  })
  query!: string;

  @Field(() => [SearchType], { nullable: true, description: 'All types when left out.' })
  types?: SearchType[] | null;
}
