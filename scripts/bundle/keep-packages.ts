/**
 * `node dist/scripts/bundle/keep-packages.js <program>`, while an image is built: package.json lists only the packages
 * that the bundle lacks, so that `npm prune --omit=dev` removes all others.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { programNamed } from './programs.js';

interface Manifest {
  dependencies: Record<string, string>;
  overrides: Record<string, unknown>;
}

const { external, kept = [] } = programNamed(process.argv[2] ?? '');
const names = new Set([...external, ...kept]);
const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as Manifest;
const unknown = [...names].filter((name) => !(name in manifest.dependencies));
if (unknown.length > 0) throw new Error(`no dependency in package.json: ${unknown.join(', ')}`);
const only = <T>(entries: Record<string, T>) =>
  Object.fromEntries(Object.entries(entries).filter(([name]) => names.has(name)));
manifest.dependencies = only(manifest.dependencies);
manifest.overrides = only(manifest.overrides);
writeFileSync('package.json', `${JSON.stringify(manifest, null, 2)}\n`);
