/** Creates sandbox images of the API from this build: versions with different migrations. */
import { cpSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { PORTS } from '../contract/image.js';

export interface ApiImage {
  name: string;
  /** Tag, and the version that the API reports. */
  tag: string;
  /** Compiled migrations in addition to those of the repository. */
  extraMigrations?: string[];
  /** Entry point instead of the main program of the API. */
  entrypoint?: string;
  /** The entry point changes modules of the API: it is one of the variants in dist/bundle/changed/. */
  changesModules?: boolean;
  /** GraphQL schema in SDL that the image reports, instead of that of this build. */
  graphqlSchema?: string;
  /** Additional environment variables. */
  env?: Record<string, string>;
}

/** Writes `<imagesDir>/<name>/<tag>/`. Requires the build in dist/. */
export function buildImage(
  imagesDir: string,
  { name, tag, extraMigrations = [], entrypoint, changesModules, graphqlSchema, env = {} }: ApiImage,
): void {
  const root = join(imagesDir, name, tag);
  rmSync(root, { recursive: true, force: true });
  mkdirSync(root, { recursive: true });
  copyProgram(root, changesModules ? 'dist/bundle/changed' : 'dist/bundle');
  if (graphqlSchema) writeFileSync(join(root, 'api-server/schema.graphql'), graphqlSchema);
  for (const file of extraMigrations)
    cpSync(file, join(root, 'dist/api-server/migrations/versions', basename(file)));
  if (entrypoint) cpSync(entrypoint, join(root, 'dist', basename(entrypoint)));
  writeFileSync(join(root, 'package.json'), JSON.stringify({ name, version: tag, type: 'module' }));
  const manifest = {
    entrypoint: ['node', entrypoint ? `./dist/${basename(entrypoint)}` : './dist/api-server/main.js'],
    env: {
      PCF_VERSION: tag,
      PCF_API__SERVER__HOST: '127.0.0.1',
      // The sandbox enforces no CPU limits: by default, each pod would start one per core of this machine.
      PCF_API__SERVER__WORKERS: '1',
      NODE_ENV: 'production',
      ...env,
    },
    portEnv: { [PORTS.http]: 'PCF_API__SERVER__PORT', [PORTS.metrics]: 'PCF_API__METRICS__PORT' },
  };
  writeFileSync(join(root, 'image.json'), JSON.stringify(manifest, null, 2));
}

/** Copies the API of a bundle of this build to a folder as Dockerfile.api does. */
export function copyProgram(root: string, bundle = 'dist/bundle'): void {
  const onlyCode = { recursive: true, filter: (source: string) => !source.endsWith('.map') };
  cpSync(`${bundle}/api-server`, join(root, 'dist/api-server'), onlyCode);
  cpSync('api-server/configs', join(root, 'api-server/configs'), { recursive: true });
  cpSync('api-server/schema.graphql', join(root, 'api-server/schema.graphql'));
  symlinkSync(resolve('node_modules'), join(root, 'node_modules'));
}
