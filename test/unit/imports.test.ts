import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

/** Folder -> folders of this repository that it may import from, in addition to itself. */
const arrows: Record<string, string[]> = {
  contract: [],
  'operator/runtime': [],
  'operator/api': ['contract', 'operator/runtime'],
  'operator/delivery': ['operator/api'],
  'operator/resources': ['contract', 'operator/api', 'operator/runtime'],
  'operator/traffic': [
    'contract',
    'operator/api',
    'operator/delivery',
    'operator/resources',
    'operator/runtime',
  ],
  'operator/migrations': [
    'contract',
    'operator/api',
    'operator/delivery',
    'operator/resources',
    'operator/runtime',
  ],
  'operator/analysis': [
    'contract',
    'operator/api',
    'operator/delivery',
    'operator/resources',
    'operator/runtime',
  ],
  'operator/signing-keys': ['contract', 'operator/api', 'operator/resources', 'operator/runtime'],
  'operator/notify': ['operator/api', 'operator/delivery', 'operator/runtime'],
  'operator/reconciler': [
    'contract',
    'operator/analysis',
    'operator/api',
    'operator/delivery',
    'operator/resources',
    'operator/traffic',
    'operator/migrations',
    'operator/notify',
    'operator/runtime',
    'operator/signing-keys',
  ],
  'operator/dashboard': ['operator/api', 'operator/reconciler', 'operator/resources', 'operator/runtime'],
  cli: [
    'api-server/migration-lint',
    'api-server/migrations',
    'contract',
    'operator/api',
    'operator/dashboard',
    'operator/delivery',
    'operator/resources',
    'operator/reconciler',
    'operator/runtime',
    'operator/signing-keys',
    'operator/traffic',
  ],
  'api-server': ['contract'],
  ...inside('api-server', {
    observability: [],
    config: ['observability'],
    redis: ['config', 'observability'],
    auth: ['config', 'observability'],
    lifecycle: ['config', 'observability'],
    database: ['config', 'observability', 'redis'],
    'migration-lint': [],
    migrations: ['config', 'database', 'migration-lint', 'observability'],
    http: ['auth', 'config', 'database', 'observability', 'redis'],
    jobs: ['config', 'database', 'observability', 'redis'],
    graphql: ['auth', 'config', 'database', 'http', 'lifecycle', 'observability', 'redis'],
    modules: ['auth', 'database', 'graphql', 'http', 'jobs', 'observability', 'redis'],
  }),
  sandbox: ['contract', 'operator/runtime'],
};

/** Import rules of layers in a folder. Each layer may also import the contract and the files next to the layers. */
function inside(folder: string, layers: Record<string, string[]>): Record<string, string[]> {
  const places = ['contract', `${folder}/backoff.js`, `${folder}/errors.js`];
  return Object.fromEntries(
    Object.entries(layers).map(([layer, allowed]) => [
      `${folder}/${layer}`,
      [...places, ...allowed.map((name) => `${folder}/${name}`)],
    ]),
  );
}

describe('imports', () => {
  for (const [folder, allowed] of Object.entries(arrows)) {
    it(`${folder} imports only from ${allowed.join(', ') || 'no other folder'}`, () => {
      for (const file of typeScriptFiles(folder)) {
        for (const target of relativeImports(file)) {
          const fine = [folder, ...allowed].some(
            (place) => target === place || target.startsWith(`${place}/`),
          );
          assert.ok(fine, `${file} imports ${target}`);
        }
      }
    });
  }

  it('relativeImports finds the imports of a file', () => {
    assert.ok(relativeImports('operator/delivery/plan.ts').length > 0);
  });
});

function typeScriptFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name));
}

function relativeImports(file: string): string[] {
  const text = readFileSync(file, 'utf8');
  const specifiers = [...text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)].map(
    ([, specifier]) => specifier!,
  );
  return specifiers.map((specifier) => normalize(join(dirname(file), specifier)));
}
