import assert from 'node:assert/strict';
import { OwnedKeys } from '../../../operator/reconciler/owned-keys.js';

describe('OwnedKeys', () => {
  let owned: Set<string>;
  let existing: Set<string>;
  let added: string[];
  let keys: OwnedKeys;

  beforeEach(() => {
    [owned, existing, added] = [new Set(), new Set(['a', 'b', 'c']), []];
    const queue = {
      add: (key: string, priority?: string) => void added.push(`${key} ${priority}`),
      addAfter: (key: string, delayMs: number) => void added.push(`${key} after ${delayMs} ms`),
    };
    keys = new OwnedKeys(
      queue,
      (key) => owned.has(key),
      (key) => existing.has(key),
    );
  });

  it('adds only keys that this process owns', () => {
    owned.add('a');
    for (const key of ['a', 'b']) {
      keys.add(key, 'normal');
      keys.addAfter(key, 5, 'low');
    }
    assert.deepEqual(added, ['a normal', 'a after 5 ms']);
  });

  it('adds keys that were edited before this process became their owner with a high priority, once', () => {
    keys.add('a', 'normal');
    keys.add('b', 'high');
    keys.addAll(['a', 'b']);
    assert.deepEqual(added.splice(0), ['a low', 'b high']);
    keys.addAll(['a', 'b']);
    assert.deepEqual(added, ['a low', 'b low']);
  });

  it('discards the edit of a key that is deleted before this process becomes its owner', () => {
    keys.add('b', 'high');
    existing.delete('b');
    keys.add('b', 'high');
    keys.addAll(['b']);
    assert.deepEqual(added, ['b low']);
  });
});
