/**
 * Version 2 of the scenario "migrations". Usually this would be an edit of service.entity.ts.
 * Both versions use the same build, so this program applies the edit at startup, in every
 * process of the API, before the entity is used (scripts/bundle bundles it with the API):
 *
 *     -  @Column('text', { nullable: true })
 *     +  @Column('text', { name: 'repository_url', nullable: true })
 *        repository
 *     +  @Column('text', { name: 'repository_branch', nullable: true })
 *     +  @Field(() => String, { nullable: true })
 *     +  repositoryBranch
 *
 * It only reads and writes the new columns. The trigger of the expand migration fills the old one.
 */
import 'reflect-metadata';
import { Field } from 'type-graphql';
import { getMetadataArgsStorage } from 'typeorm';

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
const { Service } = await import('#api-server/modules/services/service.entity.js');
columns.push = push;
if (!columns.some(({ propertyName }) => propertyName === 'repositoryBranch')) {
  throw new Error('version 2 of the scenario splits services.repository, which does not exist');
}
Field(() => String, { nullable: true, description: 'The branch that is deployed.' })(
  Service.prototype,
  'repositoryBranch',
);

await import('#api-server/main.js');
