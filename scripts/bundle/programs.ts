/** The programs of this repository, which bundle.ts bundles. */

export interface Program {
  /** Compiled entry point. The bundle has the same path below dist/bundle/. */
  entry: string;
  /** Packages that stay in node_modules. */
  external: string[];
  /** Folders below dist/ whose modules are loaded from the file system. */
  copied?: string[];
}

export const PROGRAMS = {
  'api-server': {
    entry: 'api-server/main.js',
    // libpg-query reads its WebAssembly next to its code; the page of GraphiQL is 9 MB, and rarely loaded.
    external: ['libpg-query', '@graphql-yoga/render-graphiql'],
    copied: ['api-server/migrations/versions'],
  },
  operator: { entry: 'operator/main.js', external: ['uplot'] },
  cli: { entry: 'cli/bin.js', external: ['libpg-query', 'uplot'] },
} satisfies Record<string, Program>;
