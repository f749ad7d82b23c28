/**
 * The npm package of `kubectl pcf`: its bundle, and the packages that are not part of it with the versions of the lock
 * file.
 */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { PROGRAMS } from './bundle/programs.js';

const ENTRY = 'dist/cli/bin.js';

/** The dashboard serves these files without compilation. */
const ASSETS = ['operator/dashboard/page', 'LICENSE'];

/** Writes the package. Requires the build in dist/. */
export function writePluginPackage(repository: string, version: string, folder: string): void {
  const packages = PROGRAMS.cli.external;
  const project = JSON.parse(readFileSync('package.json', 'utf8')) as {
    engines: object;
  };
  const lock = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
    packages: Record<string, { version: string }>;
  };
  const dependencies = packages.map(
    (name) => [name, lock.packages[`node_modules/${name}`]!.version] as const,
  );
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
  };
  cpSync('dist/bundle/cli', join(folder, dirname(ENTRY)), { recursive: true });
  for (const path of ASSETS) {
    mkdirSync(join(folder, dirname(path)), { recursive: true });
    cpSync(path, join(folder, path), { recursive: true });
  }
  // npm install removes the packages that the plugin does not need, and keeps the versions of the others.
  cpSync('package-lock.json', join(folder, 'npm-shrinkwrap.json'));
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`);
}
