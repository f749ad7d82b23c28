/** Creates sandbox images of the API from this build: versions with different migrations. */
import { cpSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
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
  /** Additional environment variables. */
  env?: Record<string, string>;
}

/** Writes `<imagesDir>/<name>/<tag>/`. Requires the build in dist/. */
export function buildImage(
  imagesDir: string,
  { name, tag, extraMigrations = [], entrypoint, env = {} }: ApiImage,
): void {
  const root = join(imagesDir, name, tag);
  rmSync(root, { recursive: true, force: true });
  mkdirSync(join(root, 'api-server'), { recursive: true });
  const onlyCode = { recursive: true, filter: (source: string) => !source.endsWith('.map') };
  cpSync('dist/api-server', join(root, 'dist/api-server'), onlyCode);
  cpSync('dist/contract', join(root, 'dist/contract'), onlyCode);
  cpSync('api-server/configs', join(root, 'api-server/configs'), { recursive: true });
  for (const file of extraMigrations)
    cpSync(file, join(root, 'dist/api-server/migrations/versions', basename(file)));
  if (entrypoint) cpSync(entrypoint, join(root, 'dist', basename(entrypoint)));
  writeFileSync(join(root, 'package.json'), JSON.stringify({ name, version: tag, type: 'module' }));
  if (!existsSync(join(root, 'node_modules')))
    symlinkSync(resolve('node_modules'), join(root, 'node_modules'));
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
