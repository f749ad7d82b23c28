import assert from 'node:assert/strict';
import type { ResourceCache } from '../../../operator/runtime/resource-cache.js';
import { until } from '../../bench/operator/cluster.js';

describe('bench: until', () => {
  const listeners: (() => void)[] = [];
  const cache = { on: (listener: () => void) => listeners.push(listener) } as unknown as ResourceCache;

  it('resolves when the check is true for all names', async () => {
    const ready = new Set(['a']);
    const reached = until('Rollouts are Healthy', cache, ['a', 'b'], (name) => ready.has(name), 1_000);
    ready.add('b');
    for (const listener of listeners) listener();
    await reached;
  });

  it('throws an error with the description and the missing names after the limit', async () => {
    const reached = until('Rollouts are Healthy', cache, ['a', 'b', 'c'], (name) => name === 'b', 10);
    await assert.rejects(reached, /^Error: Rollouts are Healthy: not within 0\.01 s; 2 of 3 missing: a, c$/);
  });
});
