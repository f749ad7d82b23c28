/** Finds files that a program reads at run time. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Path of a file or folder that is shipped with the code of `moduleUrl`, such as `api-server/configs`. It is searched
 * in the parent folders of the module, because bundles and compiled modules are in different folders.
 * Throws if none of them has it.
 */
export function shippedPath(path: string, moduleUrl: string): string {
  let folder = dirname(fileURLToPath(moduleUrl));
  while (!existsSync(join(folder, path))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error(`${path} is missing from this installation`);
    folder = parent;
  }
  return join(folder, path);
}
