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
import { getMetadataArgsStorage } from 'typeorm';

const here = (path: string) => new URL(path, import.meta.url).href;

// The table is defined when the module of the entity is loaded: the edit must be applied before.
const { columns } = getMetadataArgsStorage();
const push = columns.push;
columns.push = (...added) => {
  const edited = added.flatMap((column) => {
    const { target, propertyName, options } = column;
    if (propertyName !== 'repository' || (target as { name?: string }).name !== 'Service') return column;
    return [
      { ...column, options: { ...options, name: 'repository_url' } },
      { ...column, propertyName: 'repositoryBranch', options: { ...options, name: 'repository_branch' } },
    ];
  });
  return push.apply(columns, edited);
};
const { Service } = await import(here('./api-server/modules/services/service.entity.js'));
columns.push = push;
if (!columns.some(({ propertyName }) => propertyName === 'repositoryBranch')) {
  throw new Error('version 2 of the story splits services.repository, and there is none');
}
Field(() => String, { nullable: true, description: 'The branch that is deployed.' })(
  Service.prototype,
  'repositoryBranch',
);

await import(here('./api-server/main.js'));
