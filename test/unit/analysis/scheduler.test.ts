import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { analysisMetrics } from '../../../operator/analysis/analysis-metrics.js';
import type { Reading } from '../../../operator/analysis/analysis-model.js';
import type { Provider, Request } from '../../../operator/analysis/providers/provider.js';
import { AnalysisScheduler } from '../../../operator/analysis/scheduler.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';
import { analysisOf, iso, plannedMetric, START, subject } from './metrics-under-test.js';

/** A provider whose measurements are completed by the test. */
class HandProvider implements Provider {
  readonly type = 'Prometheus';
  readonly running = new Map<string, { end: (reading: Reading) => void; fail: (error: Error) => void }>();
  started: string[] = [];
  readonly weights: number[] = [];
  ignoresAbort = false;

  measure({ due, subject: { weight } }: Request, signal: AbortSignal): Promise<Reading> {
    const id = `${due.name}#${due.number}`;
    this.started.push(id);
    this.weights.push(weight);
    const { promise, resolve, reject } = Promise.withResolvers<Reading>();
    this.running.set(id, { end: resolve, fail: reject });
    if (!this.ignoresAbort) signal.addEventListener('abort', () => reject(signal.reason as Error));
    return promise.finally(() => this.running.delete(id));
  }

  async end(id: string, value = 0): Promise<void> {
    this.running.get(id)!.end({ type: 'Samples', samples: [{ labels: {}, value }] });
    await turn();
  }
}

describe('AnalysisScheduler', () => {
  let provider: HandProvider;
  let scheduler: AnalysisScheduler;
  let measuredKeys: string[];
  let registry: Registry;

  beforeEach(() => {
    provider = new HandProvider();
    measuredKeys = [];
    registry = new Registry();
    scheduler = new AnalysisScheduler({
      providers: [provider],
      concurrency: { Prometheus: 2, Webhook: 1, Job: 1 },
      onMeasured: (key) => measuredKeys.push(key),
      metrics: analysisMetrics(registry),
      logger: pino({ level: 'silent' }),
      now: () => START,
    });
  });

  afterEach(() => scheduler.stop());

  function request(name: string, number: number, given: Partial<Request> = {}): Request {
    const metric = plannedMetric({ name });
    const due = { name, since: iso(START), number };
    const api = pcfApi();
    return {
      api,
      analysis: analysisOf({ metrics: [metric.spec] }),
      subject,
      metric,
      due,
      at: START,
      ...given,
    };
  }

  const schedule = (key: string, ...requests: Request[]) =>
    scheduler.schedule(
      key,
      requests,
      requests.map(({ due }) => due.name),
    );

  it('takes a measurement once for repeated requests, and stores the result', async () => {
    schedule('a', request('m', 0));
    schedule('a', request('m', 0));
    assert.deepEqual(provider.started, ['m#0']);
    assert.deepEqual([scheduler.finished('a', 'api-new'), measuredKeys], [[], []]);
    await provider.end('m#0', 7);
    schedule('a', request('m', 0));
    assert.deepEqual(provider.started, ['m#0']);
    assert.deepEqual(measuredKeys, ['a']);
    const measurement = {
      ...{ name: 'm', since: iso(START), number: 0, at: iso(START), begunAt: iso(START) },
      ...{ outcome: 'Failure', value: '7', detail: '7 is more than 1' },
    };
    assert.deepEqual(scheduler.finished('a', 'api-new'), [measurement]);
    assert.deepEqual(scheduler.finished('a', 'api-new'), [measurement]);
    assert.deepEqual(scheduler.finished('a', 'another'), []);
  });

  it('deletes a result when the next measurement is requested', async () => {
    schedule('a', request('m', 0));
    await provider.end('m#0');
    schedule('a', request('m', 1));
    assert.deepEqual(scheduler.finished('a', 'api-new'), []);
    assert.deepEqual(provider.started, ['m#0', 'm#1']);
  });

  it('takes a queued measurement as it was requested last, so not with the start of an earlier weight', async () => {
    for (const key of ['a', 'b', 'c']) schedule(key, request(key, 0));
    schedule('c', request('c', 0, { subject: { ...subject, weight: 50 } }));
    await provider.end('a#0');
    assert.deepEqual(provider.started, ['a#0', 'b#0', 'c#0']);
    assert.deepEqual(provider.weights, [10, 10, 50]);
  });

  it('limits concurrent measurements, and queues the others in order', async () => {
    for (const key of ['a', 'b', 'c', 'd']) schedule(key, request(key, 0));
    assert.deepEqual(provider.started, ['a#0', 'b#0']);
    assert.match(await registry.metrics(), /pcf_analysis_measurements_waiting\{provider="Prometheus"\} 2/);
    await provider.end('b#0');
    assert.deepEqual(provider.started, ['a#0', 'b#0', 'c#0']);
    await provider.end('a#0');
    assert.deepEqual(provider.started.at(-1), 'd#0');
    assert.deepEqual(measuredKeys, ['b', 'a']);
  });

  it('aborts measurements of an earlier count, a removed metric or a deleted PcfApi', async () => {
    schedule('a', request('m', 0), request('n', 0));
    const again = { ...request('m', 0), due: { name: 'm', since: iso(START + 1), number: 0 } };
    schedule('a', again);
    await turn();
    assert.deepEqual(provider.started, ['m#0', 'n#0', 'm#0']);
    assert.deepEqual([...provider.running.keys()].length, 1);
    scheduler.forget('a');
    await turn();
    assert.deepEqual([provider.running.size, measuredKeys], [0, []]);
  });

  it('does not start a queued measurement that was cancelled', async () => {
    schedule('a', request('a', 0));
    schedule('b', request('b', 0));
    schedule('c', request('c', 0));
    scheduler.forget('c');
    assert.match(await registry.metrics(), /pcf_analysis_measurements_waiting\{provider="Prometheus"\} 0/);
    await provider.end('a#0');
    await provider.end('b#0');
    assert.deepEqual(provider.started, ['a#0', 'b#0']);
  });

  it('reports the error message of a provider', async () => {
    schedule('a', request('m', 0));
    provider.running.get('m#0')!.fail(new Error('Prometheus at http://p: the connection was refused'));
    await turn();
    const { outcome, detail } = scheduler.finished('a', 'api-new')[0]!;
    assert.deepEqual([outcome, detail], ['Error', 'Prometheus at http://p: the connection was refused']);
    assert.deepEqual(measuredKeys, ['a']);
  });

  it('is not blocked by a provider that ignores the abort signal', async () => {
    provider.ignoresAbort = true;
    schedule('a', request('a', 0));
    schedule('b', request('b', 0));
    schedule('c', request('c', 0));
    scheduler.forget('a');
    await turn();
    assert.deepEqual(provider.started, ['a#0', 'b#0', 'c#0']);
  });

  it('takes and reports no measurements after stop()', async () => {
    schedule('a', request('a', 0));
    scheduler.stop();
    schedule('b', request('b', 0));
    await turn();
    assert.deepEqual([provider.started, provider.running.size, measuredKeys], [['a#0'], 0, []]);
  });
});
