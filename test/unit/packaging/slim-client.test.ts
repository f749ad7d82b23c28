import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { build } from 'esbuild';
import { slimClient } from '../../../scripts/bundle/slim-client.js';

/** Bundles a program that loads client-node as the operator does, runs it, and returns the JSON that it prints. */
async function evaluate(program: string): Promise<unknown> {
  const { outputFiles } = await build({
    stdin: { contents: program, resolveDir: process.cwd() },
    bundle: true,
    format: 'cjs',
    platform: 'node',
    plugins: [slimClient],
    write: false,
  });
  const { stdout, stderr } = spawnSync(process.execPath, ['--no-deprecation', '-'], {
    encoding: 'utf8',
    input: outputFiles[0]!.text,
  });
  assert.equal(stderr, '');
  return JSON.parse(stdout);
}

describe('client-node without its models', () => {
  it('reads a kubeconfig with credentials', async () => {
    const answer = await evaluate(`
      import { KubeConfig } from '@kubernetes/client-node';
      const config = new KubeConfig();
      config.loadFromOptions({
        clusters: [{ name: 'c', server: 'https://127.0.0.1:6443', caData: Buffer.from('CA').toString('base64') }],
        users: [{ name: 'u', token: 'bearer' }],
        contexts: [{ name: 'x', cluster: 'c', user: 'u' }],
        currentContext: 'x',
      });
      const options = {};
      config.applyToHTTPSOptions(options).then(() =>
        console.log(JSON.stringify({ authorization: options.headers.Authorization, ca: String(options.ca) })),
      );
    `);
    assert.deepEqual(answer, { authorization: 'Bearer bearer', ca: 'CA' });
  });

  it('supports the base class of the operator', async () => {
    const answer = await evaluate(`
      import { default as Operator } from '@dot-i/k8s-operator';
      class Mine extends Operator { async init() {} }
      console.log(JSON.stringify(typeof new Mine().kubeConfig.applyToHTTPSOptions));
    `);
    assert.equal(answer, 'function');
  });

  it('does not contain models and generated APIs', async () => {
    const answer = await evaluate(`
      const { AppsV1Api, V1Pod } = require('@kubernetes/client-node');
      console.log(JSON.stringify([V1Pod === undefined, Object.getOwnPropertyNames(AppsV1Api.prototype)]));
    `);
    assert.deepEqual(answer, [true, ['constructor']]);
  });
});
