/** Programs that are built once from their Go modules, and cached. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { cacheFolder } from './cache-folder.js';
import { type GoBuild, goBuild, type Progress } from './go-build.js';
import { withLock } from './lock.js';

export interface GoProgram extends Pick<GoBuild, 'what' | 'packages' | 'source' | 'target' | 'ldflags'> {
  name: string;
  version: string;
  /** Additional names of the executable, which selects its role by its name. */
  aliases?: readonly string[];
  /** The target has several packages: a program each, in a folder with the name. */
  isFolder?: boolean;
}

/** Path of the program, or of the folder. It is built on first use; a second process waits for that build. */
export async function goProgram(
  program: GoProgram,
  progress: Progress,
  env: NodeJS.ProcessEnv = process.env,
): Promise<string> {
  const folder = join(cacheFolder(env), program.name, cacheKey(program));
  const path = join(folder, program.name);
  if (existsSync(path)) return path;
  mkdirSync(dirname(folder), { recursive: true });
  const lock = `${folder}.building`;
  const wait = () => progress(`another process builds ${program.name}; waiting for it`);
  await withLock(lock, () => build(program, folder, lock, progress), wait);
  return path;
}

async function build(program: GoProgram, folder: string, lock: string, progress: Progress): Promise<void> {
  if (existsSync(join(folder, program.name))) return;
  const staging = join(lock, 'bin');
  mkdirSync(staging);
  const output = join(staging, program.name);
  if (program.isFolder) mkdirSync(output);
  await goBuild({ ...program, output, cache: join(lock, 'gocache') }, progress);
  for (const alias of program.aliases ?? []) symlinkSync(program.name, join(staging, alias));
  renameSync(staging, folder);
}

/** Changes with the version and the inputs of the build. */
function cacheKey({ source, version }: GoProgram): string {
  const hash = createHash('sha256');
  for (const file of ['go.mod', 'go.sum', 'main.go']) {
    const path = join(source, file);
    if (existsSync(path)) hash.update(readFileSync(path));
  }
  return `${version}-${process.platform}-${process.arch}-${hash.digest('hex').slice(0, 12)}`;
}
