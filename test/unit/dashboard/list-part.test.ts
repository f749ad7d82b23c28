import assert from 'node:assert/strict';
import type { PcfApi } from '../../../operator/api/v1alpha1/pcfapi.js';
import { ListPart } from '../../../operator/dashboard/list-part.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';

describe('ListPart', () => {
  const api = (name: string, resourceVersion: string): PcfApi => {
    const one = pcfApi();
    return { ...one, metadata: { ...one.metadata, name, resourceVersion } };
  };
  const sourceOf = (apis: PcfApi[]) => ({ pcfApis: () => apis, notices: () => [] });
  const names = ({ rows }: ReturnType<ListPart['data']>) => rows.map(({ name }) => name);

  it('returns all rows at first, and then the changed, added and deleted ones only', () => {
    const apis = [api('a', '1'), api('b', '2'), api('c', '3')];
    const list = new ListPart(sourceOf(apis), false);
    const first = list.data();
    assert.deepEqual([first.full, names(first)], [true, ['a', 'b', 'c']]);
    apis.splice(0, 2, api('b', '4'));
    apis.push(api('d', '5'));
    const next = list.data();
    assert.deepEqual([next.full, names(next), next.removed], [false, ['b', 'd'], ['platform/a']]);
  });

  it('has another id after an edit, a creation and a deletion', () => {
    const states = [[api('a', '1')], [api('a', '2')], [api('a', '2'), api('b', '3')], [api('b', '3')], []];
    const ids = states.map((apis) => new ListPart(sourceOf(apis), false).id);
    assert.equal(new Set(ids).size, ids.length);
  });

  it('returns only changes to a client that has the list of an earlier stream', () => {
    const apis = [api('a', '1'), api('b', '2')];
    const { id } = new ListPart(sourceOf(apis), false);
    const list = new ListPart(sourceOf(apis), false, id);
    apis[1] = api('b', '3');
    const update = list.data();
    assert.deepEqual([update.full, names(update)], [false, ['b']]);
  });
});
