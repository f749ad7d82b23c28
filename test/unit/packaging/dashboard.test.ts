import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { grafanaAnnotation } from '../../../operator/notify/grafana.js';
import { pcfApi } from '../../support/fixtures.js';

interface Annotations {
  name: string;
  enable: boolean;
  datasource: { uid: string };
  target: { type: string; tags: string[]; matchAny: boolean };
}

describe('the dashboard', () => {
  const { annotations, templating } = JSON.parse(readFileSync('deploy/dashboards/pcf.json', 'utf8')) as {
    annotations: { list: Annotations[] };
    templating: { list: { name: string; current: { value?: string | string[] } }[] };
  };
  const api = pcfApi();
  const target = {
    url: 'https://grafana.example.com',
    tokenSecretRef: { name: 't', key: 't' },
    tags: [],
    events: [],
  };
  const event = { type: 'Promoted', revision: 'api-new', at: '2026-11-23T12:00:00Z' } as const;
  const { tags: written } = grafanaAnnotation(api, target, event) as { tags: string[] };

  /** What Grafana asks for: a variable that is "All" stands for no tag there is. */
  const asked = ({ target: { tags } }: Annotations, values: Record<string, string>) =>
    tags.map((tag) => tag.replace(/\$(\w+)/g, (_, name: string) => values[name] ?? '.*'));

  it('finds the annotations that the operator writes', () => {
    assert.ok(annotations.list.length > 0);
    for (const query of annotations.list) {
      assert.equal(query.datasource.uid, '-- Grafana --');
      assert.equal(query.target.type, 'tags');
      for (const tag of asked(query, { namespace: api.metadata.namespace, name: api.metadata.name }))
        assert.ok(written.includes(tag), `${query.name}: ${tag} is none of ${written.join(', ')}`);
    }
  });

  it('finds them as it opens, where all PcfApis are chosen', () => {
    const all = templating.list.filter(({ current }) => current.value?.includes('$__all'));
    assert.deepEqual(
      all.map(({ name }) => name),
      ['namespace', 'name'],
    );
    const shown = annotations.list.filter(({ enable }) => enable);
    assert.ok(shown.some((query) => asked(query, {}).every((tag) => written.includes(tag))));
  });
});
