/** Copies programs of this machine into the root file system of an image. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Copies a program with the libraries that it links to. Returns its new path. */
export function addProgram(root: string, name: string, folder = 'bin'): string {
  const program = name.includes('/') ? name : execFileSync('which', [name], { encoding: 'utf8' }).trim();
  const target = join(root, folder, program.split('/').at(-1)!);
  mkdirSync(dirname(target), { recursive: true });
  copyFileSync(program, target);
  addLibraries(root, program);
  return target;
}

/** Copies the libraries that a program or a library links to, under the paths that it expects. */
export function addLibraries(root: string, program: string, isIncluded = (_path: string) => true): void {
  for (const library of librariesOf(program).filter(isIncluded)) {
    mkdirSync(join(root, dirname(library)), { recursive: true });
    copyFileSync(library, join(root, library));
  }
}

function librariesOf(program: string): string[] {
  try {
    const lines = execFileSync('ldd', [program], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    return [...lines.matchAll(/(\/\S+) \(0x/g)].map(([, path]) => path!);
  } catch {
    return []; // statically linked
  }
}
