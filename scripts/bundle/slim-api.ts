/**
 * Keeps out of a bundle what the API never calls, but would load and run at each start of a pod:
 *
 * - class-validator as CommonJS loads all its validators, among them the metadata of the phone numbers of all
 *   countries. Its ES modules have the same code, of which the bundle contains the validators that are used.
 *   type-graphql imports it on demand, as a whole, when a schema has no `validateFn`; ours has one.
 * - Apollo hashes with sha.js if it does not find `module.require`, which an ES module lacks. Node.js hashes faster.
 */
import type { Plugin } from 'esbuild';

export const slimApi: Plugin = {
  name: 'slim-api',
  setup({ onLoad, onResolve, resolve }) {
    onResolve({ filter: /^class-validator$/ }, ({ path, kind, resolveDir }) =>
      kind === 'dynamic-import'
        ? { path, external: true }
        : resolve('class-validator/esm2015/index.js', { kind, resolveDir }),
    );
    onLoad({ filter: /\/@apollo\/utils\.createhash\/dist\/index\.js$/ }, () => ({
      contents: "export { createHash } from 'node:crypto';",
    }));
  },
};
