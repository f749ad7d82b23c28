import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { build } from 'esbuild';
import { bundledFiles } from '../../../scripts/bundle/bundled-files.js';
import { slimApi } from '../../../scripts/bundle/slim-api.js';

/** Bundles a program, runs it, and returns the JSON that it prints and the packages of the bundle. */
async function evaluate(program: string): Promise<{ answer: unknown; packages: Set<string> }> {
  const { outputFiles, metafile } = await build({
    stdin: { contents: program, resolveDir: process.cwd() },
    bundle: true,
    format: 'esm',
    platform: 'node',
    plugins: [slimApi],
    write: false,
    metafile: true,
    outfile: 'out.js',
  });
  const options = { encoding: 'utf8', input: outputFiles[0]!.text } as const;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-'], options);
  assert.equal(stderr, '');
  const packages = bundledFiles(metafile).flatMap(
    (file) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1] ?? [],
  );
  return { answer: JSON.parse(stdout), packages: new Set(packages) };
}

describe('bundle of the API', () => {
  it('contains the validators that are used, and not the metadata of phone numbers', async () => {
    const { answer, packages } = await evaluate(`
      import { IsEmail, validateSync } from 'class-validator';
      class Input { email = 'no address'; }
      IsEmail()(Input.prototype, 'email');
      console.log(JSON.stringify(validateSync(new Input()).map(({ constraints }) => constraints)));
    `);
    assert.deepEqual(answer, [{ isEmail: 'email must be an email' }]);
    assert.ok(packages.has('validator'));
    assert.ok(!packages.has('libphonenumber-js'));
  });

  it('does not contain the validators again for an import on demand, which never runs', async () => {
    const { answer, packages } = await evaluate(`
      export const validate = () => import('class-validator');
      console.log('"loaded"');
    `);
    assert.equal(answer, 'loaded');
    assert.ok(!packages.has('class-validator'));
  });

  it('hashes documents with Node.js', async () => {
    const { answer, packages } = await evaluate(`
      import { createHash } from '@apollo/utils.createhash';
      console.log(JSON.stringify(createHash('sha256').update('a').digest('hex')));
    `);
    assert.equal(answer, 'ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb');
    assert.ok(!packages.has('sha.js'));
  });
});
