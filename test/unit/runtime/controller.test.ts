import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import {
  Controller,
  ReconcileError,
  type ReconcileResult,
  TerminalError,
} from '../../../operator/runtime/controller.js';
import { eventually } from '../../support/cluster/pcf-api.js';

describe('Controller', () => {
  let registry: Registry;
  let controller: Controller;

  function run(reconcile: (key: string) => Promise<ReconcileResult>, workers = 2): Controller {
    registry = new Registry();
    const logger = pino({ level: 'silent' });
    controller = new Controller({ name: 'things', workers, reconcile, logger, registry });
    controller.start();
    return controller;
  }
  afterEach(() => controller.stop());

  const metric = async (name: string) => {
    const { values } = await registry.getSingleMetric(name)!.get();
    return values;
  };

  it('reconciles an added key, never concurrently with itself', async () => {
    let running = 0;
    let most = 0;
    let times = 0;
    const { queue } = run(async () => {
      most = Math.max(most, ++running);
      await sleep(5);
      running -= 1;
      times += 1;
      return {};
    });
    for (let i = 0; i < 4; i++) {
      queue.add('a');
      await sleep(2);
    }
    await eventually('two reconciles', () => times >= 2);
    await sleep(30);
    assert.equal(most, 1);
    assert.ok(times <= 4);
  });

  it('reconciles 200 keys quickly while another key fails permanently', async () => {
    const done = new Set<string>();
    let times = 0;
    const { queue } = run(async (key) => {
      if (key === 'broken') {
        times += 1;
        throw new Error('permanent failure');
      }
      done.add(key);
      return {};
    });
    queue.add('broken');
    await sleep(100);
    const before = times;
    for (let i = 0; i < 200; i++) queue.add(`key-${i}`);
    while (done.size < 200) await sleep(1);
    // Counts attempts, because elapsed time depends on the load of the machine.
    assert.ok(times - before <= 3, `${times - before} tries before the others were done`);
    const [errors] = await metric('controller_runtime_reconcile_errors_total');
    assert.ok(errors!.value >= 3 && errors!.value <= 8, `${errors!.value} tries`);
  });

  for (const requeueAfterMs of [0, -1, 0.5]) {
    it(`reconciles 200 keys quickly while another key requests a requeue after ${requeueAfterMs} ms`, async () => {
      const done = new Set<string>();
      let times = 0;
      const { queue } = run(async (key) => {
        if (key === 'loops') times += 1;
        else done.add(key);
        return key === 'loops' ? { requeueAfterMs } : {};
      }, 1);
      queue.add('loops');
      await sleep(100); // hangs if the event loop is starved
      const before = times;
      for (let i = 0; i < 200; i++) queue.add(`key-${i}`, 'low');
      while (done.size < 200) await sleep(1);
      assert.ok(times - before <= 3, `${times - before} reconciles before the others were done`);
      assert.ok(times >= 3 && times <= 10, `${times} reconciles`);
    });
  }

  it('requeues once and immediately for requeueAfterMs 0', async () => {
    const times = new Map<string, number[]>();
    const { queue } = run(async (key) => {
      const at = times.get(key) ?? [];
      times.set(key, [...at, performance.now()]);
      return at.length === 0 ? { requeueAfterMs: 0 } : {};
    });
    const delays: number[] = [];
    for (let index = 0; index < 10; index += 1) {
      const key = `team/${index}`;
      queue.add(key);
      await sleep(20);
      while (times.get(key)?.length !== 2) await sleep(20);
      const [first, second] = times.get(key) as [number, number];
      delays.push(second - first);
    }
    assert.ok([...times.values()].every((at) => at.length === 2));
    // The shortest delay: other processes can suspend this one. A retry with backoff waits for 5 ms or more.
    assert.ok(Math.min(...delays) < 4, `${delays} ms`);
    assert.equal(controller.problem(), undefined);
  });

  it('reports a reconcile loop without progress until the key makes progress', async () => {
    let isFixed = false;
    const { queue } = run(async () => (isFixed ? {} : { requeueAfterMs: 0 }));
    queue.add('team/loops');
    while (controller.problem() === undefined) await sleep(20);
    assert.equal(controller.problem(), 'reconcile loop without progress: team/loops');
    isFixed = true;
    queue.add('team/loops');
    await eventually('the problem is solved', () => controller.problem() === undefined);
  });

  it('does not retry after a TerminalError until the key is added again', async () => {
    let times = 0;
    const { queue } = run(async () => {
      times += 1;
      throw new TerminalError('no use');
    });
    queue.add('a');
    await sleep(60);
    assert.equal(times, 1);
    queue.add('a');
    await eventually('a second try', () => times === 2);
    const [terminal] = await metric('controller_runtime_terminal_reconcile_errors_total');
    assert.equal(terminal!.value, 2);
  });

  for (const Failure of [ReconcileError, TerminalError]) {
    it(`requeues after lookAgainMs of a ${Failure.name}, also after many failures`, async () => {
      const at: number[] = [];
      const { queue } = run(async () => {
        at.push(performance.now());
        throw new Failure('refused', undefined, { lookAgainMs: 1_000 });
      });
      queue.add('a');
      // The backoff of a ReconcileError is 2 s or more by then; a TerminalError has none.
      const attempts = Failure === TerminalError ? 2 : 11;
      while (at.length < attempts) await sleep(10);
      const waitedMs = at[attempts - 1]! - at[attempts - 2]!;
      assert.ok(waitedMs > 950 && waitedMs < 1_500, `${waitedMs} ms`);
    });
  }

  it('retries within retryWithinMs of a ReconcileError, also after many failures', async () => {
    const at: number[] = [];
    const { queue } = run(async () => {
      at.push(performance.now());
      throw new ReconcileError('refused', undefined, { retryWithinMs: 200 });
    });
    queue.add('a');
    while (at.length < 9) await sleep(10);
    const waitedMs = at[8]! - at[7]!; // the backoff is 0.5 s or more by then
    assert.ok(waitedMs > 150 && waitedMs < 400, `${waitedMs} ms`);
  });

  it('requeues a key after requeueAfterMs', async () => {
    const at: number[] = [];
    const { queue } = run(async () => {
      at.push(performance.now());
      return at.length === 1 ? { requeueAfterMs: 50 } : {};
    });
    queue.add('a');
    await eventually('two reconciles', () => at.length === 2);
    await sleep(60);
    assert.equal(at.length, 2);
    assert.ok(at[1]! - at[0]! >= 45);
  });

  it('stop() waits for the running reconcile and starts no other', async () => {
    const finished: string[] = [];
    const { queue } = run(async (key) => {
      await sleep(30);
      finished.push(key);
      return {};
    }, 1);
    queue.add('a');
    queue.add('b');
    await sleep(5);
    await controller.stop();
    assert.deepEqual(finished, ['a']);
  });

  it('starts a reconcile within 1 ms after add()', async () => {
    const waits: number[] = [];
    let addedAt = 0;
    const { queue } = run(async () => {
      waits.push(performance.now() - addedAt);
      return {};
    });
    for (let i = 0; i < 50; i++) {
      await sleep(1);
      addedAt = performance.now();
      queue.add('a');
    }
    await sleep(5);
    waits.sort((a, b) => a - b);
    assert.ok(waits[25]! < 1, `${waits[25]} ms`);
  });

  it('exports the metrics of controller-runtime', async () => {
    const gate = Promise.withResolvers<void>();
    const { queue } = run(async () => {
      await gate.promise;
      return {};
    }, 1);
    for (const key of ['a', 'b', 'c']) queue.add(key, 'low');
    await sleep(10);
    const text = await registry.metrics();
    for (const line of [
      'workqueue_depth{name="things",controller="things",priority="low"} 2',
      'workqueue_adds_total{name="things",controller="things"} 3',
      'controller_runtime_active_workers{controller="things"} 1',
      'controller_runtime_max_concurrent_reconciles{controller="things"} 1',
    ]) {
      assert.ok(text.includes(line), `${line} in\n${text}`);
    }
    const [longest] = await metric('workqueue_longest_running_processor_seconds');
    assert.ok(longest!.value > 0 && longest!.value < 10);
    gate.resolve();
    const isCounted = async () =>
      (await metric('workqueue_work_duration_seconds')).some(({ value }) => value === 3);
    await eventually('three keys are counted', isCounted);
  });
});
