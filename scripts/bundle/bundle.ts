/**
 * Bundles the programs into dist/bundle/: a program that loads a dozen files instead of 1,900 is ready in half the
 * time. Images, the sandbox and the tests of processes run the bundles; unit tests import the modules.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { cp, mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { build } from 'esbuild';
import { bundledFiles } from './bundled-files.js';
import { keepClassNames } from './class-names.js';
import { PROGRAMS, type Program, programNamed } from './programs.js';
import { slimApi } from './slim-api.js';
import { slimClient } from './slim-client.js';

const BUNDLES = 'dist/bundle';

/** What CommonJS packages use and an ES module does not have. */
const COMMON_JS = [
  "import { createRequire as createRequireOfBundle } from 'node:module';",
  'const require = createRequireOfBundle(import.meta.url);',
  'const { filename: __filename, dirname: __dirname } = import.meta;',
].join(' ');

async function bundle(program: Program): Promise<void> {
  const { entry, external, copied = [], variants = {} } = program;
  const root = join(BUNDLES, program.folder ?? '');
  const folder = join(root, dirname(entry));
  const entries = { [entry.replace(/\.js$/, '')]: entry, ...variants };
  const { metafile, outputFiles } = await build({
    entryPoints: Object.entries(entries).map(([out, file]) => ({ in: join('dist', file), out })),
    outdir: root,
    chunkNames: `${dirname(entry)}/[name]-[hash]`,
    bundle: true,
    splitting: true, // imports on demand stay on demand
    format: 'esm',
    platform: 'node',
    target: 'node22',
    keepNames: true, // then class-names.ts removes those of functions
    write: false,
    legalComments: 'none', // the licenses are in a file of their own
    // graphql-js reads it once, and otherwise makes slow checks for a second copy of itself.
    define: { 'process.env.NODE_ENV': '"production"' },
    metafile: true,
    external,
    // node-fetch 2 uses it only without the URL of Node.js; it loads the deprecated module `punycode`.
    alias: { 'whatwg-url': 'node:url' },
    plugins: [slimClient, slimApi],
    banner: { js: COMMON_JS },
    logLevel: 'warning',
  });
  // Afterwards, so that a failed build leaves the previous program.
  await mkdir(folder, { recursive: true });
  await Promise.all(outputFiles.map(({ path, text }) => writeFile(path, keepClassNames(text))));
  const stale = readdirSync(folder).filter((name) => !(join(folder, name) in metafile.outputs));
  await Promise.all(stale.map((name) => rm(join(folder, name), { recursive: true })));
  const packages = packagesOf(bundledFiles(metafile));
  const write = (name: string, text: string) => writeFile(join(folder, name), text);
  await write('LICENSES.txt', licensesOf(packages));
  await write('sbom.cdx.json', `${JSON.stringify(billOf(packages), undefined, 2)}\n`);
  for (const folder of copied) await cp(join('dist', folder), join(root, folder), { recursive: true });
}

interface Package {
  folder: string;
  name: string;
  version: string;
  license: string;
}

/** The packages that contain these files. */
function packagesOf(files: string[]): Package[] {
  const folders = new Set(
    files.flatMap((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0] ?? []),
  );
  return [...folders].sort().map((folder) => {
    const text = readFileSync(join(folder, 'package.json'), 'utf8');
    const { name, version, license } = JSON.parse(text) as Omit<Package, 'folder'>;
    return { folder, name, version, license };
  });
}

/** Names, versions and license texts. */
function licensesOf(packages: readonly Package[]): string {
  const texts = packages.map(({ folder, name, version, license }) => {
    const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
    return `${name} ${version}: ${license}\n\n${file ? readFileSync(join(folder, file), 'utf8') : ''}`;
  });
  return texts.join(`\n${'-'.repeat(80)}\n`);
}

/** A CycloneDX bill of materials: scanners find no packages in a bundle. */
function billOf(packages: readonly Package[]): object {
  const components = packages.map(({ name, version, license }) => ({
    type: 'library',
    name,
    version,
    purl: `pkg:npm/${name.replace('@', '%40')}@${version}`,
    licenses: [{ expression: license }],
  }));
  return { bomFormat: 'CycloneDX', specVersion: '1.6', version: 1, components };
}

const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(PROGRAMS);
await Promise.all(names.map(programNamed).map(bundle));
