/**
 * The two versions of the scenario "migrations". 1.0.0 is the current build: it reads and writes
 * `services.repository`, "https://git.example.com/acme/shop#main". 2.0.0 has three additional migrations
 * (expand, backfill, contract) and stores URL and branch in two columns. The contract migration `requires`
 * 2.0.0, because version 1 does not support the schema after it.
 */
import type { ApiImage } from '../../images.js';

const FOLDER = 'dist/sandbox/story/split';

export const SPLIT_IMAGES = {
  v1: { name: 'pcf-api', tag: '1.0.0' },
  v2: {
    name: 'pcf-api',
    tag: '2.0.0',
    entrypoint: 'dist/bundle/changed/version-2.js',
    changesModules: true,
    extraMigrations: [
      `${FOLDER}/migrations/1795370000201-add-repository-parts.js`,
      `${FOLDER}/migrations/1795370000202-fill-repository-parts.js`,
      `${FOLDER}/migrations/1795370000203-drop-repository.js`,
    ],
  },
} satisfies Record<string, ApiImage>;

export const SPLIT_MIGRATIONS = {
  expand: 'AddRepositoryParts1795370000201',
  backfill: 'FillRepositoryParts1795370000202',
  contract: 'DropRepository1795370000203',
} as const;

/** A query of both versions. Without `totalCount`, which would count all rows each time. */
export const READ = 'query Repositories { services(first: 5) { edges { node { id name repository } } } }';
export const WRITE =
  'mutation Add($name: String!, $repository: String!) { createService(input: { name: $name, repository: $repository }) { id name repository } }';
export const MOVE =
  'mutation Move($id: ID!, $repository: String) { updateService(input: { id: $id, repository: $repository }) { repository } }';
