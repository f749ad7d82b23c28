/**
 * The npm package of `kubectl pcf`: the compiled files that its entry point imports, and its dependencies with the
 * versions of the lock file.
 */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join } from 'node:path';

export const ENTRY = 'dist/cli/bin.js';

/** The dashboard serves these files without compilation. */
const ASSETS = ['operator/dashboard/page', 'LICENSE'];

const IMPORT = /(?:\bfrom|\bimport|\bimport\.meta\.resolve)\s*\(?\s*['"]([@\w./:~-]+)['"]/g;

interface Closure {
  files: Set<string>;
  packages: Set<string>;
}

/** Files that an entry point imports, directly or not, and the packages that they import. */
export function closureOf(
  entry: string,
  closure: Closure = { files: new Set(), packages: new Set() },
): Closure {
  if (closure.files.has(entry)) return closure;
  closure.files.add(entry);
  for (const [, specifier = ''] of readFileSync(entry, 'utf8').matchAll(IMPORT)) {
    if (specifier.startsWith('.')) closureOf(join(dirname(entry), specifier), closure);
    else if (!isBuiltin(specifier)) closure.packages.add(packageOf(specifier));
  }
  return closure;
}

/** `@scope/name/deep` -> `@scope/name`. */
function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

/** Writes the package. Throws if a file imports a package that is no dependency of this repository. */
export function writePluginPackage(repository: string, version: string, folder: string): void {
  const { files, packages } = closureOf(ENTRY);
  const project = JSON.parse(readFileSync('package.json', 'utf8')) as {
    engines: object;
    dependencies: Record<string, string>;
    overrides: Record<string, unknown>;
  };
  const lock = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
    packages: Record<string, { version: string }>;
  };
  const undeclared = [...packages].filter((name) => !(name in project.dependencies));
  if (undeclared.length > 0) throw new Error(`no dependency in package.json: ${undeclared.join(', ')}`);
  const dependencies = [...packages]
    .sort()
    .map((name) => [name, lock.packages[`node_modules/${name}`]!.version] as const);
  const manifest = {
    name: 'kubectl-pcf',
    version,
    description: 'kubectl plugin for PcfApis: status, weights, migrations and rollbacks of deliveries',
    license: 'Apache-2.0',
    // npm compares it with the provenance.
    repository: { type: 'git', url: `git+https://github.com/${repository}.git` },
    type: 'module',
    bin: { 'kubectl-pcf': ENTRY },
    engines: project.engines,
    dependencies: Object.fromEntries(dependencies),
    overrides: Object.fromEntries(Object.entries(project.overrides).filter(([name]) => packages.has(name))),
  };
  for (const path of [...files, ...ASSETS]) {
    mkdirSync(join(folder, dirname(path)), { recursive: true });
    cpSync(path, join(folder, path), { recursive: true });
  }
  // npm install removes the packages that the plugin does not need, and keeps the versions of the others.
  cpSync('package-lock.json', join(folder, 'npm-shrinkwrap.json'));
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`);
}
