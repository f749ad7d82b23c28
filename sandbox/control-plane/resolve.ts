/** Finds the programs of a control plane: KUBEBUILDER_ASSETS, the cache, the official release, a build. */
import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder } from '../process/cache-folder.js';
import type { Progress } from '../process/go-build.js';
import { VERSIONS } from '../versions.js';
import { build } from './build.js';
import { download } from './download.js';
import { type ControlPlane, PROGRAMS, SOURCE } from './programs.js';

/** A source of the programs: writes them to a folder, or throws the reason. */
export interface Source {
  name: string;
  obtain: (folder: string, progress: Progress) => Promise<void>;
}

const sources: readonly Source[] = [
  { name: 'official release', obtain: download },
  { name: 'build', obtain: build },
];

/** Paths of all programs. Throws an error with the attempts and a remedy. */
export async function resolveControlPlane(
  progress: Progress,
  env: NodeJS.ProcessEnv = process.env,
  from = sources,
): Promise<ControlPlane> {
  const folder = join(cacheFolder(env), 'control-plane', cacheKey());
  const assets = env.KUBEBUILDER_ASSETS;
  const found = () => locate([...(assets ? [assets] : []), folder]);
  if (isComplete(found())) return found() as ControlPlane;

  const problems: string[] = [];
  for (const { name, obtain } of from) {
    try {
      await obtain(folder, progress);
      if (isComplete(found())) return found() as ControlPlane;
    } catch (error) {
      problems.push(`${name}: ${(error as Error).message}`);
    }
  }
  throw new Error(
    `no Kubernetes control plane could be had.\n  ${problems.join('\n  ')}\n` +
      'Install Go (1.26 or newer), or set KUBEBUILDER_ASSETS to a folder with ' +
      `${PROGRAMS.join(', ')}.`,
  );
}

/** Each program from the first folder that contains it. */
export function locate(folders: readonly string[]): Partial<ControlPlane> {
  const found: Partial<ControlPlane> = {};
  for (const program of PROGRAMS) {
    const path = folders.map((folder) => join(folder, program)).find(isExecutable);
    if (path) found[program] = path;
  }
  return found;
}

function isComplete(found: Partial<ControlPlane>): found is ControlPlane {
  return PROGRAMS.every((program) => found[program]);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Changes with the version and the inputs of the build. */
function cacheKey(): string {
  const hash = createHash('sha256');
  for (const file of ['go.mod', 'go.sum', 'main.go']) {
    const path = join(SOURCE, file);
    if (existsSync(path)) hash.update(readFileSync(path));
  }
  return `${VERSIONS.kubernetes}-${process.platform}-${process.arch}-${hash.digest('hex').slice(0, 12)}`;
}
