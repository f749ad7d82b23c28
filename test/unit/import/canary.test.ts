import assert from 'node:assert/strict';
import { parse } from 'yaml';
import type { Imported, ImportOptions } from '../../../cli/import/conversion.js';
import { importCanary } from '../../../cli/import/flagger/canary.js';
import { toObjects } from '../../../cli/import/objects.js';
import { readDocuments } from '../../../cli/manifest.js';
import { pcfApiSpec } from '../../../operator/api/v1alpha1/spec.js';

const deployment = parse(
  `{ apiVersion: apps/v1, kind: Deployment, metadata: { name: shop }, spec: { replicas: 2, template: { spec: { containers: [{ name: shop, image: "shop:1" }] } } } }`,
);

/** A Canary with an analysis and further fields of its spec. */
function canary(analysis: string, fields = 'provider: istio'): unknown {
  const target = 'targetRef: { apiVersion: apps/v1, kind: Deployment, name: shop }';
  const given = `{ ${target}, service: { port: 80, hosts: [shop.example.com] }, analysis: ${analysis} }`;
  const spec = { ...parse(given), ...parse(`{ ${fields} }`) };
  return { apiVersion: 'flagger.app/v1beta1', kind: 'Canary', metadata: { name: 'shop' }, spec };
}

function convert(documents: unknown[], options: ImportOptions = {}): Imported {
  const imported = importCanary(toObjects('input', documents), options);
  assert.equal(pcfApiSpec.safeParse(imported.api.spec).success, true);
  return imported;
}

const strategyOf = (analysis: string, fields?: string) =>
  convert([canary(analysis, fields), deployment]).api.spec.strategy;

describe('kubectl-pcf import canary', () => {
  it('converts the pods, the weights, the metrics and the autoscaler of a file', () => {
    const { api } = convert(readDocuments('test/fixtures/import/canary.yaml'));
    assert.deepEqual(api.spec, {
      image: 'registry.example.com/carts:1.9.2',
      strategy: {
        type: 'Canary',
        canary: {
          stickiness: { cookie: { name: 'flagger', maxAge: '600s' } },
          steps: [
            { weight: 15, hold: '1m30s' },
            { weight: 30, hold: '1m30s' },
            { weight: 45, hold: '1m30s', pause: true },
          ],
          analysis: {
            interval: '1m30s',
            initialDelay: '1m30s',
            count: 1,
            failureLimit: 3,
            prometheus: { url: 'http://prometheus.monitoring:9090' },
            metrics: [
              { name: 'request-success-rate', successRate: { window: '2m' }, min: 0.995 },
              { name: 'request-duration', latency: {}, max: 0.75 },
              {
                name: 'queue',
                query:
                  'max_over_time(queue_length{namespace="{{namespace}}",pod=~"{{revision}}-.*",topic="carts"}[5m])',
                min: 1,
                max: 50,
              },
            ],
          },
        },
      },
      progressDeadline: '2m',
      revisionHistoryLimit: 5,
      podMetadata: { labels: { app: 'carts' } },
      database: { secretRef: { name: 'carts-db', key: 'url' } },
      traffic: { provider: 'Istio', hosts: ['carts.example.com'], gateways: ['istio-system/public'] },
      service: { annotations: { 'example.com/balancer': 'internal' } },
      autoscaling: {
        horizontal: {
          minReplicas: 2,
          maxReplicas: 8,
          cpu: 65,
          metrics: [
            {
              type: 'Pods',
              pods: { metric: { name: 'rps' }, target: { type: 'AverageValue', averageValue: '100' } },
            },
          ],
          behavior: { scaleDown: { stabilizationWindowSeconds: 120 } },
        },
      },
    });
  });

  it('converts A/B testing to weight 0 with the header, for all iterations', () => {
    const analysis = `{ interval: 1m, iterations: 10, threshold: 2, match: [{ headers: { x-user: { exact: beta } } }] }`;
    assert.deepEqual(strategyOf(analysis), {
      type: 'Canary',
      canary: { header: { name: 'x-user', value: 'beta' }, steps: [{ weight: 0, hold: '10m' }] },
    });
  });

  it('converts iterations without a match to BlueGreen, and a confirmation to a manual promotion', () => {
    const analysis = `{ interval: 30s, iterations: 5, threshold: 2, metrics: [{ name: request-success-rate, threshold: 99 }], webhooks: [{ name: gate, type: confirm-promotion, url: "http://gate/" }] }`;
    assert.deepEqual(strategyOf(analysis), {
      type: 'BlueGreen',
      blueGreen: {
        autoPromote: false,
        analysis: {
          interval: '30s',
          initialDelay: '30s',
          count: 5,
          failureLimit: 1,
          prometheus: { url: 'http://prometheus-operated.monitoring:9090' },
          metrics: [{ name: 'request-success-rate', successRate: {}, min: 0.99 }],
        },
      },
    });
  });

  it('converts stepWeights, a confirmation of each increase, and mirrored requests', () => {
    const analysis = `{ interval: 2m, threshold: 1, stepWeights: [1, 10, 60], mirror: true, mirrorWeight: 30, webhooks: [{ name: gate, type: confirm-traffic-increase, url: "http://gate/" }] }`;
    const step = (weight: number) => ({ weight, hold: '2m', pause: true });
    assert.deepEqual(strategyOf(analysis), {
      type: 'Canary',
      canary: { steps: [step(1), step(10), step(60)], mirror: 30 },
    });
  });

  it('takes the number of pods from the primary Deployment if Flagger has scaled the target to 0', () => {
    const named = (name: string, replicas: number) => ({
      ...deployment,
      metadata: { name },
      spec: { ...deployment.spec, replicas },
    });
    const document = canary('{ interval: 1m, threshold: 1, stepWeight: 50 }');
    const both = convert([document, named('shop', 0), named('shop-primary', 5)]);
    assert.equal(both.api.spec.replicas, 5);
    const alone = convert([document, named('shop', 0)]);
    assert.equal(alone.api.spec.replicas, undefined);
    assert.ok(
      alone.notes.some(({ path, instead }) => path === 'spec.replicas' && /shop-primary/.test(instead)),
    );
  });

  it('reports nothing as unconverted for defaults that the API server has set', () => {
    const server = { uid: 'u', resourceVersion: '1', managedFields: [{}], creationTimestamp: null };
    const container = {
      ...deployment.spec.template.spec.containers[0],
      imagePullPolicy: 'IfNotPresent',
      resources: {},
      terminationMessagePath: '/dev/termination-log',
      terminationMessagePolicy: 'File',
    };
    const pod = {
      containers: [container],
      restartPolicy: 'Always',
      dnsPolicy: 'ClusterFirst',
      schedulerName: 'default-scheduler',
      securityContext: {},
      terminationGracePeriodSeconds: 30,
    };
    const live = {
      ...deployment,
      metadata: { ...deployment.metadata, ...server },
      spec: { ...deployment.spec, template: { metadata: { creationTimestamp: null }, spec: pod } },
      status: { replicas: 2 },
    };
    const analysis = `{ interval: 1m, threshold: 1, stepWeight: 50, metrics: [{ name: request-duration, thresholdRange: { max: 500 } }] }`;
    const document = canary(analysis, 'provider: istio, metricsServer: "http://p:9090"');
    const databaseSecret = { name: 'db', key: 'url' };
    const { notes } = convert([{ apiVersion: 'v1', kind: 'List', items: [document, live] }], {
      databaseSecret,
    });
    assert.deepEqual(
      notes.filter(({ outcome }) => outcome === 'NotConverted' || outcome === 'Required'),
      [],
    );
  });

  it('leaves the steps and the analysis out with skipAnalysis', () => {
    const analysis = `{ interval: 1m, threshold: 1, stepWeight: 10 }`;
    assert.deepEqual(strategyOf(analysis, 'provider: istio, skipAnalysis: true'), { type: 'Canary' });
  });

  it('uses one Prometheus server: metrics without an address use that of the others', () => {
    const analysis = `{ interval: 1m, threshold: 1, stepWeight: 50, metrics: [{ name: request-success-rate, thresholdRange: { min: 99 } }, { name: own, templateRef: { name: own }, thresholdRange: { max: 1 } }] }`;
    const metricTemplate = parse(
      `{ apiVersion: flagger.app/v1beta1, kind: MetricTemplate, metadata: { name: own }, spec: { provider: { type: prometheus, address: "http://own:9090" }, query: "x{w='{{ target }}-primary'}" } }`,
    );
    const { api, notes } = convert([canary(analysis), deployment, metricTemplate], {
      databaseSecret: { name: 'db', key: 'url' },
    });
    const { analysis: converted } = (api.spec.strategy as { canary: { analysis: Record<string, unknown> } })
      .canary;
    assert.deepEqual(converted.prometheus, { url: 'http://own:9090' });
    assert.equal((converted.metrics as { query?: string }[])[1]?.query, "x{w='{{stableRevision}}'}");
    assert.equal(
      notes.some(({ outcome }) => outcome === 'Required'),
      false,
    );
  });

  for (const [what, fields, expected] of [
    [
      'Gateway API',
      'provider: "gatewayapi:v1", service: { port: 80, hosts: [a.example.com], gatewayRefs: [{ name: public, namespace: infra }] }',
      { provider: 'GatewayAPI', hosts: ['a.example.com'], gateways: ['infra/public'] },
    ],
    [
      'Istio inside the mesh only',
      'provider: istio, service: { port: 80, gateways: [mesh] }',
      { provider: 'Istio', hosts: ['shop'] },
    ],
    ['an ingress controller', 'provider: nginx, ingressRef: { name: shop }', undefined],
  ] as [string, string, object | undefined][])
    it(`converts the provider: ${what}`, () => {
      const document = canary('{ interval: 1m, threshold: 1, stepWeight: 50 }', fields);
      assert.deepEqual(convert([document, deployment]).api.spec.traffic, expected);
    });

  for (const [what, documents, message] of [
    [
      'a Canary without its Deployment',
      [canary('{}')],
      /names Deployment shop, which is not in the input: add it/,
    ],
    [
      'a target that is no Deployment',
      [canary('{}', 'targetRef: { kind: DaemonSet, name: shop }'), deployment],
      /names a DaemonSet/,
    ],
    [
      'a Canary of another version',
      [{ ...(canary('{}') as object), apiVersion: 'flagger.app/v1alpha3' }],
      /expected flagger\.app\/v1beta1/,
    ],
  ] as [string, unknown[], RegExp][])
    it(`rejects ${what}`, () => assert.throws(() => convert(documents), message));
});
