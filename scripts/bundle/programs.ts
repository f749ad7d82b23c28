/** The programs of this repository, which bundle.ts bundles. */

export interface Program {
  /** Compiled entry point. The bundle has the same path below dist/bundle/. */
  entry: string;
  /** Packages that are not in the bundle, but in node_modules. */
  external: string[];
  /** Packages that are in node_modules as well. */
  kept?: string[];
  /** Folders below dist/ whose modules are loaded from the file system. */
  copied?: string[];
  /** Further entry points, by the name of their bundle. They share the modules of the program. */
  variants?: Record<string, string>;
  /** Folder of the bundle below dist/bundle/. */
  folder?: string;
}

const API = {
  entry: 'api-server/main.js',
  // Migrations that import pg get the instance that the gate checks (migrations/engine/driver-gate.ts).
  // libpg-query reads its WebAssembly next to its code; the page of GraphiQL is 9 MB, and rarely loaded.
  external: ['pg', 'libpg-query', '@graphql-yoga/render-graphiql'],
  copied: ['api-server/migrations/versions'],
  kept: ['typeorm'], // for migrations, which can import it
};

export const PROGRAMS = {
  'api-server': API,
  // Versions of the API for the sandbox and tests, which change its modules before they start it.
  'changed-api': {
    ...API,
    folder: 'changed',
    variants: {
      'version-2': 'sandbox/story/split/version-2.js',
      faulty: 'sandbox/story/faulty.js',
      'jobs-of-version-2': 'test/support/programs/jobs-of-version-2.js',
    },
  },
  operator: { entry: 'operator/main.js', external: ['uplot'] },
  cli: { entry: 'cli/bin.js', external: ['libpg-query', 'uplot'] },
} satisfies Record<string, Program>;

/** Throws if there is no such program. */
export function programNamed(name: string): Program {
  const program = new Map<string, Program>(Object.entries(PROGRAMS)).get(name);
  if (!program) throw new Error(`no program ${name}: use ${Object.keys(PROGRAMS).join(', ')}`);
  return program;
}
