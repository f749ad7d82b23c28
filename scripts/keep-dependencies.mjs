// node scripts/keep-dependencies.mjs dist: keeps only dependencies in package.json that the compiled program
// imports, so that `npm prune --omit=dev` removes those of the other image. Plain JavaScript, because it runs
// during the image build before the sources are compiled.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join } from 'node:path';

const folder = process.argv[2];
if (!folder) throw new Error('which folder holds the compiled program?');

const imported = new Set();
for (const name of readdirSync(folder, { recursive: true })) {
  if (!name.endsWith('.js')) continue;
  const text = readFileSync(join(folder, name), 'utf8');
  for (const [, specifier] of text.matchAll(
    /(?:\bfrom|\bimport|\bimport\.meta\.resolve|\brequire)\s*\(?\s*['"]([@\w./:~-]+)['"]/g,
  )) {
    if (!specifier.startsWith('.') && !isBuiltin(specifier)) imported.add(packageOf(specifier));
  }
}

const manifest = JSON.parse(readFileSync('package.json', 'utf8'));
const unknown = [...imported].filter((name) => !(name in manifest.dependencies));
if (unknown.length > 0) throw new Error(`imported, but no dependency in package.json: ${unknown.join(', ')}`);
// An override such as "$name" of a retained package needs that dependency too.
manifest.overrides = Object.fromEntries(
  Object.entries(manifest.overrides).filter(([name]) => imported.has(name)),
);
for (const [, name] of JSON.stringify(manifest.overrides).matchAll(/"\$([^"]+)"/g)) imported.add(name);
manifest.dependencies = Object.fromEntries(
  Object.entries(manifest.dependencies).filter(([name]) => imported.has(name)),
);
writeFileSync('package.json', `${JSON.stringify(manifest, null, 2)}\n`);
console.log(`kept ${Object.keys(manifest.dependencies).join(', ')}`);

/** `@scope/name/deep` -> `@scope/name`. */
function packageOf(specifier) {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}
