import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { parseAllDocuments } from 'yaml';
import { pcfApiSpec } from '../../../operator/api/v1alpha1/spec.js';

interface Example {
  where: string;
  object: { kind?: string; spec?: object };
}

/** Required fields of a PcfApi, for examples that show only a part. */
const REST = { image: 'registry.example.com/pcf-api:1.0.0', database: { secretRef: { name: 'secrets' } } };

function examplesIn(page: string): Example[] {
  const blocks = [...readFileSync(page, 'utf8').matchAll(/^```yaml\n(.*?)^```/gms)];
  return blocks.flatMap(([, text = ''], index) =>
    parseAllDocuments(text).map((document) => {
      const where = `${page}, YAML block ${index + 1}`;
      assert.deepEqual(document.errors, [], where);
      return { where, object: document.toJS() as Example['object'] };
    }),
  );
}

/** An example without a kind is a part of the spec of a PcfApi. */
const isPcfApi = ({ object }: Example) => object.spec && (object.kind ?? 'PcfApi') === 'PcfApi';

describe('YAML in the documentation', () => {
  const pages = readdirSync('docs').filter((name) => name.endsWith('.md'));
  const examples = ['README.md', ...pages.map((name) => `docs/${name}`)].flatMap(examplesIn);

  it('has only valid fields and values of a PcfApi', () => {
    const ofPcfApi = examples.filter(isPcfApi);
    assert.ok(ofPcfApi.length >= 10, `only ${ofPcfApi.length} were found`);
    assert.deepEqual(
      ofPcfApi.flatMap(({ where, object }) => {
        const { error } = pcfApiSpec.safeParse({ ...REST, ...object.spec });
        return error
          ? [`${where}: ${error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`)}`]
          : [];
      }),
      [],
    );
  });
});
