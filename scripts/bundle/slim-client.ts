/**
 * Keeps the typed models and API classes of @kubernetes/client-node out of a bundle.
 *
 * The operator and the plugin use only KubeConfig of client-node: credentials, exec plugins, OIDC. That module imports
 * the generated API classes, 900 files with 25 MB of source, which use 60 MB and almost a second at each start. They
 * are never called (requests are plain JSON, see operator/runtime/kube-client.ts), so empty classes replace them.
 */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Plugin } from 'esbuild';

const GENERATED = /\/@kubernetes\/client-node\/dist\/gen\/(.+)$/;

/** Modules that import hundreds of others, and their replacements. */
const substitutes: Record<string, (file: string) => string> = {
  'models/all.js': () => 'export {};',
  'models/ObjectSerializer.js': () => emptyClasses(['ObjectSerializer']),
  // The index imports the classes of each API group, and renames them in its exports.
  'types/ObjectParamAPI.js': (file) => {
    const index = readFileSync(join(dirname(file), '../index.js'), 'utf8');
    return emptyClasses(new Set(index.match(/\bObject\w+Api\b/g)));
  },
};

export const slimClient: Plugin = {
  name: 'slim-client',
  setup({ onLoad }) {
    onLoad({ filter: GENERATED }, ({ path }) => ({
      contents: substitutes[GENERATED.exec(path)?.[1] ?? '']?.(path), // undefined: the file itself
    }));
  },
};

function emptyClasses(names: Iterable<string>): string {
  return [...names].map((name) => `export class ${name} {}`).join('\n');
}
