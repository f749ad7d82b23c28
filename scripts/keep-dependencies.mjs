// node scripts/keep-dependencies.mjs dist: leaves in package.json only the dependencies that the compiled
// program imports, so that `npm prune --omit=dev` takes away what the other image needs. Plain JavaScript,
// because it runs in the images' build, beside the sources rather than as one of them.
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
// An override of a package that stays, such as "$name", needs that dependency of ours too.
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
