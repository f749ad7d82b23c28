/**
 * Keeps the typed models and API classes of @kubernetes/client-node out of memory.
 *
 * The operator uses only KubeConfig of client-node: credentials, exec plugins, OIDC.
 * That module imports the generated API classes, 900 files with 25 MB of source, which use
 * 60 MB and almost a second at each start. The operator does not call them (requests are
 * plain JSON, see runtime/kube-client.ts), so they are replaced by empty classes.
 * Import this module before any import of client-node.
 */
import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';

const generated = /\/@kubernetes\/client-node\/dist\/gen\/(.+)$/;

/** Modules that import hundreds of others, and their replacements. */
const substitutes: Record<string, (url: string) => string> = {
  'models/all.js': () => 'export {};',
  'models/ObjectSerializer.js': () => emptyClasses(['ObjectSerializer']),
  // The index imports the classes of each API group, and renames them in its exports.
  'types/ObjectParamAPI.js': (url) => {
    const index = readFileSync(fileURLToPath(new URL('../index.js', url)), 'utf8');
    return emptyClasses(new Set(index.match(/\bObject\w+Api\b/g)));
  },
};

registerHooks({
  load(url, context, nextLoad) {
    const substitute = substitutes[generated.exec(url)?.[1] ?? ''];
    if (!substitute) return nextLoad(url, context);
    return { format: 'module', source: substitute(url), shortCircuit: true };
  },
});

function emptyClasses(names: Iterable<string>): string {
  return [...names].map((name) => `export class ${name} {}`).join('\n');
}
