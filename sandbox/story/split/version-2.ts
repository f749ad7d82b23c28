/**
 * Version 2 of the story "migrations". In a repository of its own it would be an edit of
 * service.entity.ts; here both versions come from one clone, so this program makes the same
 * edit as it starts, in every process of the API, before anything has read the entity:
 *
 *     -  @Column('text', { nullable: true })
 *     +  @Column('text', { name: 'repository_url', nullable: true })
 *        repository
 *     +  @Column('text', { name: 'repository_branch', nullable: true })
 *     +  @Field(() => String, { nullable: true })
 *     +  repositoryBranch
 *
 * It reads and writes the new columns alone. The trigger of the expand migration keeps the old one.
 */
import 'reflect-metadata';
import { Field } from 'type-graphql';
import { Column, getMetadataArgsStorage } from 'typeorm';

const here = (path: string) => new URL(path, import.meta.url).href;
const { Service } = await import(here('./api-server/modules/services/service.entity.js'));

const column = getMetadataArgsStorage().columns.find(
  ({ target, propertyName }) => target === Service && propertyName === 'repository',
);
if (!column) throw new Error('version 2 of the story splits services.repository, and there is none');
column.options.name = 'repository_url';
Column('text', { name: 'repository_branch', nullable: true })(Service.prototype, 'repositoryBranch');
Field(() => String, { nullable: true, description: 'The branch that is deployed.' })(
  Service.prototype,
  'repositoryBranch',
);

await import(here('./api-server/main.js'));
