// node scripts/keep-dependencies.mjs dist/operator ...: keeps only dependencies in package.json that compiled modules
// import, so that `npm prune --omit=dev` removes those of the other image. Plain JavaScript, because it runs
// during the image build before the sources are compiled.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join } from 'node:path';

const folders = process.argv.slice(2);
if (folders.length === 0) throw new Error('which folders hold the compiled modules?');

const imported = new Set();
const files = folders.flatMap((folder) =>
  readdirSync(folder, { recursive: true }).map((name) => join(folder, name)),
);
for (const file of files) {
  if (!file.endsWith('.js')) continue;
  const text = readFileSync(file, 'utf8');
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
