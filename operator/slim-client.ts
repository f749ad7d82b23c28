/**
 * Keeps the typed models and API classes of @kubernetes/client-node out of memory.
 *
 * Of client-node the operator uses its KubeConfig: credentials, exec plugins, OIDC.
 * That module imports the generated ones, 900 files and 25 MB of source, which cost
 * 60 MB and most of a second at each start. Nothing in the operator calls them
 * (requests are plain JSON, see runtime/kube-client.ts), so they are loaded as empty
 * classes. Import this before anything that leads to client-node.
 */
import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';

const generated = /\/@kubernetes\/client-node\/dist\/gen\/(.+)$/;

/** Each module that is the only way to hundreds of others, and what takes its place. */
const substitutes: Record<string, (url: string) => string> = {
  'models/all.js': () => 'export {};',
  'models/ObjectSerializer.js': () => emptyClasses(['ObjectSerializer']),
  // The index names the classes of each API group, and renames them as it exports them.
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
