import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { backoffMs } from '../../../operator/runtime/backoff.js';
import { WorkQueue } from '../../../operator/runtime/work-queue.js';

/** Takes all queued keys, without waiting for more. */
async function drain(queue: WorkQueue): Promise<string[]> {
  const keys: string[] = [];
  while (queue.depth > 0) keys.push((await queue.take())!);
  return keys;
}

describe('WorkQueue', () => {
  let queue: WorkQueue;
  beforeEach(() => {
    queue = new WorkQueue();
  });
  afterEach(() => queue.close());

  it('contains a key once, in the order of the first add', async () => {
    for (const key of ['a', 'b', 'a', 'c', 'b']) queue.add(key);
    assert.equal(queue.depth, 3);
    assert.deepEqual(await drain(queue), ['a', 'b', 'c']);
  });

  it('does not return a key that is being processed until done() is called', async () => {
    queue.add('a');
    await queue.take();
    queue.add('a');
    queue.add('a');
    assert.equal(queue.depth, 0);
    queue.done('a');
    assert.deepEqual(await drain(queue), ['a']);
    queue.done('a');
    assert.equal(queue.depth, 0, 'the key was returned once');
  });

  it('add() resolves a waiting take()', async () => {
    const first = queue.take();
    const second = queue.take();
    queue.add('a');
    queue.add('b');
    assert.deepEqual(await Promise.all([first, second]), ['a', 'b']);
  });

  it('returns an edit before changes of dependent objects, and these before a resync', async () => {
    queue.add('resync', 'low');
    for (const key of ['pods-1', 'pods-2']) queue.add(key, 'normal');
    queue.add('pods-2', 'low');
    queue.add('edited', 'high');
    queue.add('edited', 'normal');
    assert.deepEqual(queue.depths(), { high: 1, normal: 2, low: 1 });
    assert.deepEqual(await drain(queue), ['edited', 'pods-1', 'pods-2', 'resync']);
  });

  it('returns keys of high priority first, and raises the priority of a key that is added again', async () => {
    for (const key of ['resync-1', 'resync-2', 'resync-3']) queue.add(key, 'low');
    queue.add('edited', 'high');
    queue.add('resync-3', 'high');
    queue.add('edited', 'low');
    assert.deepEqual(await drain(queue), ['edited', 'resync-3', 'resync-1', 'resync-2']);
  });

  it('keeps the highest priority of the adds during the processing of a key', async () => {
    queue.add('a', 'low');
    await queue.take();
    queue.add('a', 'high');
    queue.add('a', 'low');
    queue.add('b', 'low');
    queue.done('a');
    assert.deepEqual(await drain(queue), ['a', 'b']);
  });

  it('doubles the backoff of a key with each failed retry, and resets it with forget()', async () => {
    for (let failures = 0; failures < 7; failures++) {
      const delay = queue.addRateLimited('a');
      const full = 5 * 2 ** failures;
      assert.ok(delay <= full && delay >= full * 0.8, `failure ${failures + 1}: ${delay} ms`);
      assert.equal(await queue.take(), 'a');
      queue.done('a');
    }
    assert.ok(queue.addRateLimited('other') <= 5);
    queue.forget('a');
    assert.ok(queue.addRateLimited('a') <= 5);
  });

  it('limits the backoff after any number of failures', () => {
    const policy = { baseMs: 5, maxMs: 1_000_000, jitter: 0 };
    assert.equal(backoffMs(3_000, policy), 1_000_000);
  });

  it('does not prolong the backoff for failures of reconciles that events cause before the retry is due', async () => {
    for (let failures = 0; failures < 30; failures++) {
      queue.add('a');
      await queue.take();
      assert.ok(queue.addRateLimited('a') <= 5);
      queue.done('a');
    }
    assert.equal(await queue.take(), 'a');
    assert.ok(queue.addRateLimited('a') <= 10, 'the second failure');
  });

  it('counts a failure of the requeue that precedes the retry, and discards the retry with forget()', async () => {
    for (let failures = 0; failures < 12; failures++) {
      queue.addRateLimited('a');
      queue.addAfter('a', 1); // as lookAgainMs of a reconcile error
      assert.equal(await queue.take(), 'a');
      queue.done('a');
    }
    assert.ok(queue.addRateLimited('a') > 1_000, 'the thirteenth failure');
    queue.forget('a');
    queue.addRateLimited('a');
    assert.equal(await queue.take(), 'a');
    queue.done('a');
    assert.ok(queue.addRateLimited('a') <= 10, 'the second failure since');
  });

  it('shortens a pending retry to the limit of a later failure', async () => {
    queue.addRateLimited('a');
    assert.equal(queue.addRateLimited('a', 0), 0);
    assert.equal(queue.depth, 1);
    assert.equal(await queue.take(), 'a');
  });

  it('addAfter() uses the earliest of several delays', async () => {
    queue.addAfter('a', 10_000);
    queue.addAfter('a', 40);
    queue.addAfter('a', 5_000);
    await sleep(15);
    assert.equal(queue.depth, 0);
    await sleep(60);
    assert.deepEqual(await drain(queue), ['a']);
    queue.addAfter('b', 0);
    assert.deepEqual(await drain(queue), ['b']);
  });

  it('addAfter() supports delays of months', async () => {
    queue.addAfter('a', 90 * 24 * 3600 * 1000);
    await sleep(20);
    assert.equal(queue.depth, 0);
  });

  it('returns no key after close()', async () => {
    const waiting = queue.take();
    queue.addAfter('later', 10);
    queue.close();
    queue.add('a');
    queue.addAfter('b', 0);
    assert.equal(await waiting, undefined);
    assert.equal(await queue.take(), undefined);
    await sleep(30);
    assert.equal(queue.depth, 0);
  });

  it('reports the waiting time of a key to its observer', async () => {
    const waits: number[] = [];
    const observed = new WorkQueue({ taken: (waitedMs) => waits.push(waitedMs) });
    observed.add('a');
    await sleep(30);
    await observed.take();
    assert.ok(waits[0]! >= 25, String(waits));
  });
});

describe('WorkQueue with calls in random order', () => {
  const key = fc.constantFrom('a', 'b', 'c', 'd');
  const call = fc.oneof(
    fc.record({ do: fc.constant('add' as const), key, priority: fc.constantFrom('high', 'normal', 'low') }),
    fc.record({ do: fc.constant('take' as const) }),
    fc.record({ do: fc.constant('done' as const), nth: fc.nat(5) }),
  );

  it('does not return a key to two workers, and loses no add', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(call, { maxLength: 60 }), async (calls) => {
        const queue = new WorkQueue();
        const withWorker = new Set<string>();
        /** Keys that were added since they were last returned. */
        const pending = new Set<string>();
        const recordTaken = (taken: string | undefined) => {
          if (taken === undefined) return;
          assert.ok(!withWorker.has(taken), `${taken} was returned to two workers`);
          assert.ok(pending.delete(taken), `${taken} was returned without an add`);
          withWorker.add(taken);
        };
        const finish = (done: string) => {
          withWorker.delete(done);
          queue.done(done);
        };
        for (const step of calls) {
          if (step.do === 'add') {
            pending.add(step.key);
            queue.add(step.key, step.priority);
          } else if (step.do === 'take') {
            void queue.take().then(recordTaken);
          } else {
            const busy = [...withWorker];
            if (busy.length > 0) finish(busy[step.nth % busy.length]!);
          }
          await Promise.resolve();
        }
        while (queue.depth > 0 || withWorker.size > 0) {
          while (queue.depth > 0) await queue.take().then(recordTaken);
          for (const busy of [...withWorker]) finish(busy);
          await Promise.resolve();
        }
        assert.deepEqual([...pending], [], 'added and never returned');
        queue.close();
      }),
      { numRuns: 300 },
    );
  });
});
