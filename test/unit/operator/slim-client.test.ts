import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';

/** Runs a program that loads client-node as the operator does, and returns the JSON that it prints. */
function evaluate(program: string): unknown {
  const args = ['--import', './dist/operator/slim-client.js', '--input-type=module', '--eval', program];
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  assert.equal(stderr, '');
  return JSON.parse(stdout);
}

describe('client-node without its models', () => {
  it('reads a kubeconfig with credentials', () => {
    const answer = evaluate(`
      import { KubeConfig } from '@kubernetes/client-node';
      const config = new KubeConfig();
      config.loadFromOptions({
        clusters: [{ name: 'c', server: 'https://127.0.0.1:6443', caData: Buffer.from('CA').toString('base64') }],
        users: [{ name: 'u', token: 'bearer' }],
        contexts: [{ name: 'x', cluster: 'c', user: 'u' }],
        currentContext: 'x',
      });
      const options = {};
      await config.applyToHTTPSOptions(options);
      console.log(JSON.stringify({ authorization: options.headers.Authorization, ca: String(options.ca) }));
    `);
    assert.deepEqual(answer, { authorization: 'Bearer bearer', ca: 'CA' });
  });

  it('supports the base class of the operator', () => {
    const answer = evaluate(`
      import dotI from '@dot-i/k8s-operator';
      class Mine extends dotI.default { async init() {} }
      console.log(JSON.stringify(typeof new Mine().kubeConfig.applyToHTTPSOptions));
    `);
    assert.equal(answer, 'function');
  });

  it('does not contain models and generated APIs', () => {
    const answer = evaluate(`
      const { AppsV1Api, V1Pod } = await import('@kubernetes/client-node');
      console.log(JSON.stringify([V1Pod === undefined, AppsV1Api?.toString()]));
    `);
    assert.deepEqual(answer, [true, 'class ObjectAppsV1Api {}']);
  });
});
