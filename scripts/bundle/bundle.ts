/**
 * Bundles the programs into dist/bundle/: a program that loads a dozen files instead of 1,900 is ready in half the
 * time. Images, the sandbox and the tests of processes run the bundles; unit tests import the modules.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { cp, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { build } from 'esbuild';
import { PROGRAMS, type Program } from './programs.js';
import { slimClient } from './slim-client.js';

const BUNDLES = 'dist/bundle';

/** CommonJS packages call `require` for modules of Node.js, which an ES module does not have. */
const REQUIRE =
  "import { createRequire as createRequireOfBundle } from 'node:module'; const require = createRequireOfBundle(import.meta.url);";

async function bundle({ entry, external, copied = [] }: Program): Promise<void> {
  await rm(join(BUNDLES, dirname(entry)), { recursive: true, force: true });
  const { metafile } = await build({
    entryPoints: [join('dist', entry)],
    outbase: 'dist',
    outdir: BUNDLES,
    chunkNames: `${dirname(entry)}/[name]-[hash]`,
    bundle: true,
    splitting: true, // imports on demand stay on demand
    format: 'esm',
    platform: 'node',
    target: 'node22',
    keepNames: true, // TypeORM and type-graphql name tables and types after classes
    legalComments: 'none', // the licenses are in a file of their own
    metafile: true,
    external,
    // node-fetch 2 uses it only without the URL of Node.js; it loads the deprecated module `punycode`.
    alias: { 'whatwg-url': 'node:url' },
    plugins: [slimClient],
    banner: { js: REQUIRE },
    logLevel: 'warning',
  });
  await writeFile(join(BUNDLES, dirname(entry), 'LICENSES.txt'), licensesOf(Object.keys(metafile.inputs)));
  for (const folder of copied) await cp(join('dist', folder), join(BUNDLES, folder), { recursive: true });
}

/** Names, versions and license texts of the packages that contain these files. */
function licensesOf(files: string[]): string {
  const folders = new Set(
    files.flatMap((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0] ?? []),
  );
  const texts = [...folders].sort().map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
      name: string;
      version: string;
      license?: string;
    };
    const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
    return `${name} ${version}: ${license}\n\n${file ? readFileSync(join(folder, file), 'utf8') : ''}`;
  });
  return texts.join(`\n${'-'.repeat(80)}\n`);
}

const programs = new Map<string, Program>(Object.entries(PROGRAMS));
const names = process.argv.length > 2 ? process.argv.slice(2) : [...programs.keys()];
const selected = names.map((name) => {
  const program = programs.get(name);
  if (!program) throw new Error(`no program ${name}: use ${[...programs.keys()].join(', ')}`);
  return program;
});
await Promise.all(selected.map(bundle));
