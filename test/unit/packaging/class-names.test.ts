import assert from 'node:assert/strict';
import { build } from 'esbuild';
import { keepClassNames } from '../../../scripts/bundle/class-names.js';

/** Two modules whose classes have the same name, so that the bundle renames one of them. */
const MODULES: Record<string, string> = {
  one: 'export class Service {}',
  other: 'export const Service = class Service {};',
  main: `import { Service as One } from 'one';
    import { Service as Other } from 'other';
    export { One, Other };
    export function closure() { const inner = () => 1; return inner; }`,
};

async function bundled(): Promise<string> {
  const { outputFiles } = await build({
    ...{ entryPoints: ['main'], bundle: true, format: 'esm', keepNames: true, write: false },
    plugins: [
      {
        name: 'modules',
        setup({ onResolve, onLoad }) {
          onResolve({ filter: /./ }, ({ path }) => ({ path, namespace: 'modules' }));
          onLoad({ filter: /./ }, ({ path }) => ({ contents: MODULES[path] }));
        },
      },
    ],
  });
  return outputFiles[0]!.text;
}

describe('names in a bundle', () => {
  it('are those of the source for classes, also for classes that the bundle renames', async () => {
    const code = keepClassNames(await bundled());
    assert.match(code, /Service2 = class/);
    const { One, Other, closure } = await import(`data:text/javascript,${encodeURIComponent(code)}`);
    assert.deepEqual([One.name, Other.name, closure()()], ['Service', 'Service', 1]);
  });

  it('are not set for functions, which would cost CPU time for each closure', async () => {
    const before = await bundled();
    assert.match(before, /__name\(\(\) => 1, "inner"\)/);
    const code = keepClassNames(before);
    assert.match(code, /var __name = \(target\) => target;/);
    assert.equal(code.match(/defineProperty\(this, "name"/g)?.length, 2);
  });
});
