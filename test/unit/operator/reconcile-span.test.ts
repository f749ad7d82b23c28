import assert from 'node:assert/strict';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { startExport } from '../../../contract/tracing/start-tracing.js';
import { isTracing } from '../../../contract/tracing/tracing.js';
import { analysisMetrics } from '../../../operator/analysis/analysis-metrics.js';
import type { Provider, Request } from '../../../operator/analysis/providers/provider.js';
import { AnalysisScheduler } from '../../../operator/analysis/scheduler.js';
import type { PcfApi } from '../../../operator/api/v1alpha1/pcfapi.js';
import type { ReconcilerDependencies } from '../../../operator/reconciler/dependencies.js';
import { inReconcileSpan, inRequestSpan } from '../../../operator/reconciler/reconcile-span.js';
import { Reconciler } from '../../../operator/reconciler/reconciler.js';
import { PcfApiKind } from '../../../operator/resources/kinds.js';
import type { KubeObject } from '../../../operator/runtime/kube-client.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';
import { OtlpReceiver, type ReceivedSpan } from '../../support/servers/otlp-receiver.js';
import { analysisOf, iso, plannedMetric, START, subject } from '../analysis/metrics-under-test.js';

const noop = () => undefined;

/** Reconciler that fails to observe, and reports this in the status. */
function failingReconciler(stored: { api: PcfApi }) {
  const pcfApis = { get: () => stored.api as unknown as KubeObject, noteWrite: noop };
  const caches = {
    pcfApis,
    foreignAutoscalers: () => [],
    ownedBy: () => {
      throw new RangeError('password=hunter2');
    },
  };
  const client = {
    applyStatus: (_: unknown, { status }: { status: PcfApi['status'] }) =>
      inRequestSpan({ verb: 'apply', type: PcfApiKind, subresource: 'status' }, async () => {
        stored.api = { ...stored.api, status };
        return stored.api;
      }),
  };
  const reconciler = new Reconciler({
    ...{ client, caches, clock: () => START },
    finishedJobs: { readPods: async () => undefined },
    events: { record: noop },
    metrics: { recordStatus: noop },
    logger: { warn: noop },
  } as unknown as ReconcilerDependencies);
  return () => inReconcileSpan('platform/api', { pcfApis }, () => reconciler.reconcile('platform/api'));
}

function managedApi(): PcfApi {
  const api = pcfApi();
  return { ...api, metadata: { ...api.metadata, finalizers: ['pcf.dev/cleanup'] } };
}

describe('traces of reconciles', () => {
  let receiver: OtlpReceiver;
  let stop: (() => Promise<void>) | undefined;

  beforeEach(async () => {
    receiver = await OtlpReceiver.start();
  });
  afterEach(async () => {
    await stop?.();
    receiver.stop();
  });

  const start = async (sampleRatio = 1) => {
    const resource = { 'service.name': 'pcf-operator' };
    stop = await startExport({ url: receiver.url, sampleRatio, resource, onFailure: assert.ifError });
  };
  const receivedSpans = async (): Promise<(name: string) => ReceivedSpan> => {
    await stop?.();
    return (name) => {
      const span = receiver.spans.find((one) => one.name === name);
      assert.ok(span, `${name} is missing in ${receiver.spans.map((one) => one.name).join(', ')}`);
      return span;
    };
  };

  it('have a root span with the object and the reason, and child spans of steps and writes', async () => {
    await start();
    await assert.rejects(failingReconciler({ api: managedApi() })(), RangeError);
    const span = await receivedSpans();
    const root = span('reconcile PcfApi');
    assert.equal(root.parentSpanId, undefined);
    assert.equal(root.service, 'pcf-operator');
    assert.deepEqual(root.attributes, {
      'k8s.namespace.name': 'platform',
      'pcf.name': 'api',
      'pcf.generation': managedApi().metadata.generation,
      'pcf.reason': 'ReconcileFailed',
      'error.type': 'RangeError',
    });
    for (const name of ['observe', 'apply PcfApi/status'])
      assert.deepEqual([span(name).traceId, span(name).parentSpanId], [root.traceId, root.spanId]);
    const { attributes } = span('apply PcfApi/status');
    assert.deepEqual(attributes, {
      'k8s.request.verb': 'apply',
      'k8s.request.kind': 'PcfApi',
      'k8s.request.subresource': 'status',
    });
    assert.ok(!receiver.raw.includes('hunter2'), 'no error message is exported');
  });

  it('contain a measurement in the trace of the reconcile that scheduled it, also if it waited', async () => {
    await start();
    const pending: (() => void)[] = [];
    const provider: Provider = {
      type: 'Prometheus',
      measure: () => new Promise((resolve) => pending.push(() => resolve({ type: 'Samples', samples: [] }))),
    };
    const measured: string[] = [];
    const scheduler = new AnalysisScheduler({
      providers: [provider],
      concurrency: { Prometheus: 1, Webhook: 1, Job: 1 },
      onMeasured: (key) => measured.push(key),
      metrics: analysisMetrics(new Registry()),
      logger: pino({ level: 'silent' }),
    });
    const caches = { pcfApis: { get: noop } };
    for (const key of ['platform/one', 'platform/two'])
      await inReconcileSpan(key, caches, async () => scheduler.schedule(key, [requestOf(key)], [key]));
    while (measured.length < 2) {
      pending.shift()?.();
      await new Promise(setImmediate);
    }
    await receivedSpans();
    const roots = receiver.spans.filter(({ name }) => name === 'reconcile PcfApi');
    const names = Object.fromEntries(
      roots.map(({ traceId, attributes }) => [traceId, attributes['pcf.name']]),
    );
    const measurements = receiver.spans.filter(({ name }) => name === 'measure Prometheus');
    assert.deepEqual(
      measurements.map(({ traceId, attributes }) => [names[traceId], attributes['pcf.analysis.metric']]),
      [
        ['one', 'platform/one'],
        ['two', 'platform/two'],
      ],
    );
  });

  it('do not contain requests outside of a reconcile', async () => {
    await start();
    await inRequestSpan({ verb: 'update', type: PcfApiKind }, async () => undefined);
    await stop?.();
    assert.deepEqual(receiver.spans, []);
  });

  it('are not exported with a sample ratio of 0', async () => {
    await start(0);
    await assert.rejects(failingReconciler({ api: managedApi() })(), RangeError);
    await stop?.();
    assert.deepEqual(receiver.spans, []);
  });

  it('are disabled by default', async () => {
    assert.equal(isTracing(), false);
    await assert.rejects(failingReconciler({ api: managedApi() })(), RangeError);
    assert.deepEqual(receiver.spans, []);
  });
});

function requestOf(name: string): Request {
  const metric = { ...plannedMetric(), name };
  const due = { name, since: iso(START), number: 0 };
  return { api: pcfApi(), analysis: analysisOf({ metrics: [metric.spec] }), subject, metric, due, at: START };
}
