import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { parse, stringify } from 'yaml';
import { KUBERNETES_YAML } from '../../../operator/api/v1alpha1/kubernetes.js';
import { pcfApiSpec } from '../../../operator/api/v1alpha1/spec.js';
import { render } from '../../../operator/reconciler/render.js';
import type { KubeObject } from '../../../operator/runtime/kube-client.js';
import { pcfApi } from '../../support/fixtures.js';

const GOLDEN = 'test/golden';

/** What a sample leads to, an object a document. `UPDATE_GOLDEN=1` writes it anew: read the difference before it is committed. */
function rendered(sample: string): string {
  const { metadata, spec } = parse(readFileSync(sample, 'utf8')) as Pick<KubeObject, 'metadata' | 'spec'>;
  const api = pcfApi();
  const objects = render({
    ...api,
    metadata: { ...api.metadata, managedFields: undefined, name: metadata.name },
    spec: pcfApiSpec.parse(spec),
  });
  return objects
    .map((object) => stringify(JSON.parse(JSON.stringify(object)), KUBERNETES_YAML))
    .join('---\n');
}

describe('the objects of', () => {
  for (const file of readdirSync('deploy/samples').filter((name) => name.endsWith('.yaml'))) {
    it(`${file} are those of ${GOLDEN}/${file}`, () => {
      const text = rendered(`deploy/samples/${file}`);
      const golden = `${GOLDEN}/${file}`;
      if (process.env.UPDATE_GOLDEN) writeFileSync(golden, text);
      assert.ok(existsSync(golden), `${golden} is missing: run the test once with UPDATE_GOLDEN=1`);
      assert.equal(text, readFileSync(golden, 'utf8'));
    });
  }
});
