import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { grafanaAnnotation } from '../../../operator/notify/grafana.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';

interface Annotations {
  name: string;
  enable: boolean;
  datasource: { uid: string };
  target: { type: string; tags: string[]; matchAny: boolean };
}

describe('Grafana dashboard', () => {
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

  /** Tags of the Grafana query. The value "All" of a variable matches no tag. */
  const queriedTags = ({ target: { tags } }: Annotations, values: Record<string, string>) =>
    tags.map((tag) => tag.replace(/\$(\w+)/g, (_, name: string) => values[name] ?? '.*'));

  it('selects the annotations that the operator creates', () => {
    assert.ok(annotations.list.length > 0);
    for (const query of annotations.list) {
      assert.equal(query.datasource.uid, '-- Grafana --');
      assert.equal(query.target.type, 'tags');
      for (const tag of queriedTags(query, { namespace: api.metadata.namespace, name: api.metadata.name }))
        assert.ok(written.includes(tag), `${query.name}: ${tag} is not one of ${written.join(', ')}`);
    }
  });

  it('selects the annotations of all PcfApis by default', () => {
    const all = templating.list.filter(({ current }) => current.value?.includes('$__all'));
    assert.deepEqual(
      all.map(({ name }) => name),
      ['namespace', 'name'],
    );
    const shown = annotations.list.filter(({ enable }) => enable);
    assert.ok(shown.some((query) => queriedTags(query, {}).every((tag) => written.includes(tag))));
  });
});
