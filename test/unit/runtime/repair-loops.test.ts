import assert from 'node:assert/strict';
import { RepairLoopTracker } from '../../../operator/runtime/repair-loops.js';

const policy = { repairs: 3, resetAfterMs: 10_000, pause: { baseMs: 1_000, maxMs: 4_000, jitter: 0 } };

describe('RepairLoopTracker', () => {
  let now: number;
  let loops: RepairLoopTracker;
  const repair = (manager = 'other', object = 'Service api') =>
    loops.repaired('ns/api', { object, manager, fields: ['spec.ports'] });
  const wait = (manager = 'other') => loops.waitMs('ns/api', 'Service api', manager);

  beforeEach(() => {
    now = 0;
    loops = new RepairLoopTracker(policy, () => now);
  });

  it('reports no loop for rare edits of another manager', () => {
    for (let i = 0; i < 10; i++) {
      repair();
      assert.equal(wait(), 0);
      now += 10_000;
    }
    assert.deepEqual(loops.loopsOf('ns/api'), []);
  });

  it('delays repairs in a loop with exponential backoff up to a limit', () => {
    for (let i = 0; i < 3; i++) repair();
    const waits = [];
    for (let i = 0; i < 4; i++) {
      waits.push(wait());
      now += wait();
      assert.equal(wait(), 0);
      repair();
    }
    assert.deepEqual(waits, [1_000, 2_000, 4_000, 4_000]);
  });

  it('reports object, manager and fields of a loop, and resets it after a time without repairs', () => {
    for (let i = 0; i < 3; i++) repair();
    assert.deepEqual(loops.loopsOf('ns/api'), [
      { object: 'Service api', manager: 'other', fields: ['spec.ports'] },
    ]);
    assert.equal(loops.endsInMs('ns/api'), 10_000);
    now += 10_000;
    assert.deepEqual(loops.loopsOf('ns/api'), []);
    assert.equal(loops.endsInMs('ns/api'), undefined);
    assert.equal(wait(), 0);
  });

  it('does not delay repairs of other managers, objects or owners', () => {
    for (let i = 0; i < 3; i++) repair();
    assert.equal(wait('a person'), 0);
    assert.equal(loops.waitMs('ns/api', 'Service other', 'other'), 0);
    assert.equal(loops.waitMs('ns/another', 'Service api', 'other'), 0);
  });

  it('forget() removes the loops of an owner', () => {
    for (let i = 0; i < 3; i++) repair();
    loops.forget('ns/api');
    assert.deepEqual(loops.loopsOf('ns/api'), []);
  });
});
