import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, parseAllDocuments, stringify } from 'yaml';
import { importRollout } from '../../../cli/import/argo/rollout.js';
import { importCanary } from '../../../cli/import/flagger/canary.js';
import { toObjects } from '../../../cli/import/objects.js';
import { readDocuments } from '../../../cli/manifest.js';
import { KUBERNETES_YAML } from '../../../operator/api/v1alpha1/kubernetes.js';
import { pcfApiSpec } from '../../../operator/api/v1alpha1/spec.js';
import { render } from '../../../operator/reconciler/render.js';
import type { KubeObject } from '../../../operator/runtime/kube-client.js';
import { customResourceDefinitions } from '../../../sandbox/crds.js';
import type { Sandbox } from '../../../sandbox/sandbox.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { newTenant, START_TIMEOUT_MS, sharedSandbox } from '../../support/cluster/sandbox.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';

const validSpec = {
  image: 'registry.example.com/pcf-api:1.0.0',
  database: { secretRef: { name: 'pcf-api-secrets' } },
};

/** Paths of the YAML files in a folder. */
function samples(folder: string): string[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.yaml'))
    .map((file) => join(folder, file));
}

describe('API server with the PcfApi CRD', () => {
  let sandbox: Sandbox;
  let namespace: string;

  before(async function () {
    this.timeout(START_TIMEOUT_MS);
    sandbox = await sharedSandbox();
    namespace = await newTenant(sandbox, 'crd');
    const stores = await customResourceDefinitions('externalSecretStores');
    await sandbox.parts.kubectl.apply(JSON.stringify(stores[0]), '--server-side');
    await sandbox.established();
  });

  function dryRun(manifest: string): Promise<string> {
    const text = manifest.replaceAll('namespace: platform', `namespace: ${namespace}`);
    return sandbox.parts.kubectl.apply(text, '--dry-run=server');
  }

  for (const file of samples('deploy/samples/bad')) {
    it(`rejects ${file} with the message that the file documents`, async () => {
      const text = readFileSync(file, 'utf8');
      const message = text.match(/^# refused: (.*)$/m)?.[1];
      await assert.rejects(dryRun(text), (error: Error) => {
        assert.ok(message && error.message.includes(message), error.message);
        return true;
      });
    });
  }

  for (const file of samples('deploy/samples')) {
    it(`accepts ${file}`, async () => assert.match(await dryRun(readFileSync(file, 'utf8')), /created/));

    it(`accepts all objects rendered from ${file}`, async () => {
      const api = parse(readFileSync(file, 'utf8')) as { spec: object };
      const objects = render({ ...pcfApi(), spec: pcfApiSpec.parse(api.spec) });
      const text = objects.map((object) => stringify(object, KUBERNETES_YAML)).join('---\n');
      const out = await dryRun(text.replaceAll('namespace: platform', `namespace: ${namespace}`));
      assert.equal(out.trim().split('\n').length, objects.length);
    });
  }

  for (const [file, importer] of [
    ['test/fixtures/import/rollout.yaml', importRollout],
    ['test/fixtures/import/canary.yaml', importCanary],
  ] as const)
    it(`accepts the PcfApi that is converted from ${file}`, async () => {
      const { api } = importer(toObjects(file, readDocuments(file)), { namespace });
      assert.match(await dryRun(stringify(api, KUBERNETES_YAML)), /created/);
    });

  for (const file of ['gateways', 'routes', 'stores', 'windows'].flatMap((folder) =>
    samples(`deploy/samples/${folder}`),
  )) {
    it(`accepts ${file}`, async () => assert.match(await dryRun(readFileSync(file, 'utf8')), /created/));
  }

  for (const file of readdirSync('test/golden/midway')) {
    it(`accepts test/golden/midway/${file}`, async () => {
      const text = readFileSync(join('test/golden/midway', file), 'utf8');
      const out = await dryRun(text.replaceAll('namespace: platform', `namespace: ${namespace}`));
      assert.equal(out.trim().split('\n').length, text.split('\n---\n').length);
    });
  }

  describe('with the policy against downgrades', () => {
    const objects = parseAllDocuments(readFileSync('deploy/k8s/crds.yaml', 'utf8')).map(
      (one) => one.toJS() as KubeObject,
    );
    const crd = objects.find(({ kind }) => kind === 'CustomResourceDefinition')!;
    const installed = crd.metadata.labels!['app.kubernetes.io/version']!;
    const [major, minor] = installed.split('.').map(Number) as [number, number];

    function offer(version: string | undefined): Promise<string> {
      const labels = { ...crd.metadata.labels, 'app.kubernetes.io/version': version };
      const manifest = JSON.stringify({ ...crd, metadata: { ...crd.metadata, labels } });
      return sandbox.parts.kubectl.apply(
        manifest,
        '--server-side',
        '--field-manager=sandbox',
        '--dry-run=server',
      );
    }

    before(async () => {
      const policy = objects.filter(({ kind }) => kind.startsWith('ValidatingAdmissionPolicy'));
      await sandbox.parts.kubectl.apply(policy, '--server-side');
      await eventually('the policy is in effect', () =>
        offer('0.0.9').then(
          () => false,
          () => true,
        ),
      );
    });

    for (const version of ['0.0.9', '0.0.9-rc.1', undefined, 'latest']) {
      it(`rejects the CRD of version ${version}, because fields would be lost`, async () => {
        await assert.rejects(offer(version), (error: Error) => {
          const reason = `version ${version ?? '0.0.0'} of this CRD is older than the installed version ${installed}`;
          assert.ok(error.message.includes(reason), error.message);
          assert.ok(
            error.message.includes(
              'delete the ValidatingAdmissionPolicyBinding pcf-operator-crd-downgrade first',
            ),
          );
          return true;
        });
      });
    }

    for (const version of [installed, `${major}.${minor + 10}.0`, `${major + 1}.0.0-rc.1`]) {
      it(`accepts the CRD of version ${version}`, () => offer(version));
    }
  });

  it('accepts a number as a quantity', async () => {
    const resources = { requests: { cpu: 1 }, limits: { cpu: 2, memory: '1Gi' } };
    const { apiVersion, kind } = pcfApi();
    const spec = { ...validSpec, resources };
    await dryRun(stringify({ apiVersion, kind, metadata: { name: 'numbers', namespace }, spec }));
  });

  it('describes the fields of PcfApi in kubectl explain', async () => {
    const text = await sandbox.parts.kubectl.run(['explain', 'pcfapi.spec', '--recursive']);
    assert.match(text, /canaryWeight\s+<integer>/);
    const explanation = await sandbox.parts.kubectl.run([
      'explain',
      'pcfapi.spec.autoscaling.horizontal.cpu',
    ]);
    assert.match(
      explanation.replace(/\s+/g, ' '), // kubectl wraps lines
      /Target average CPU utilization, in percent of the requests of the pods\. Default: 70/,
    );
  });
});
