/**
 * `node dist/scripts/write-olm-bundle.js <image> <version> <source URL> <folder>` writes the bundle for the Operator
 * Lifecycle Manager of a release.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parse } from 'yaml';
import { olmBundle } from './olm-bundle.js';

const MANIFESTS = ['crds', 'rbac', 'user-roles', 'operator'];

const [image, version, source, folder] = process.argv.slice(2);
if (!image || !version || !source || !folder)
  throw new Error('usage: write-olm-bundle.js <image> <version> <source URL> <folder>');
const texts = MANIFESTS.map((name) => readFileSync(`deploy/k8s/${name}.yaml`, 'utf8'));
const example = parse(readFileSync('deploy/samples/minimal.yaml', 'utf8')) as object;
for (const [path, text] of Object.entries(olmBundle(texts, example, { image, version, source }))) {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
}
