import assert from 'node:assert/strict';
import { parse } from 'yaml';
import { importRollout } from '../../../cli/import/argo/rollout.js';
import type { Imported, ImportOptions } from '../../../cli/import/conversion.js';
import { toObjects } from '../../../cli/import/objects.js';
import { readDocuments } from '../../../cli/manifest.js';
import { pcfApiSpec } from '../../../operator/api/v1alpha1/spec.js';

const template = `{ metadata: { labels: { app: shop } }, spec: { containers: [{ name: shop, image: "shop:1" }] } }`;

/** A Rollout with a strategy and further fields of its spec. */
function rollout(strategy: string, fields = ''): unknown {
  const spec = { ...parse(`{ template: ${template}, strategy: ${strategy} }`), ...parse(`{ ${fields} }`) };
  return { apiVersion: 'argoproj.io/v1alpha1', kind: 'Rollout', metadata: { name: 'shop' }, spec };
}

function analysisTemplate(metric: string, args = '[]'): unknown {
  return parse(
    `{ apiVersion: argoproj.io/v1alpha1, kind: AnalysisTemplate, metadata: { name: t }, spec: { args: ${args}, metrics: [${metric}] } }`,
  );
}

function convert(documents: unknown[], options: ImportOptions = {}): Imported {
  const imported = importRollout(toObjects('input', documents), options);
  assert.equal(pcfApiSpec.safeParse(imported.api.spec).success, true);
  return imported;
}

const specOf = (documents: unknown[], options?: ImportOptions) => convert(documents, options).api.spec;
const strategyOf = (...documents: unknown[]) => specOf(documents).strategy as Record<string, unknown>;

/** `path: outcome` of the notes about paths that match. */
function notesOf({ notes }: Imported, path: RegExp): string[] {
  return notes.filter((note) => path.test(note.path)).map((note) => `${note.path}: ${note.outcome}`);
}

describe('kubectl-pcf import rollout', () => {
  it('converts the pods, the steps, the analysis and the route of a file', () => {
    const file = 'test/fixtures/import/rollout.yaml';
    const { api, notes } = convert(readDocuments(file));
    assert.deepEqual(api.metadata, {
      name: 'orders',
      namespace: 'shop',
      labels: { team: 'checkout' },
      annotations: { owner: 'checkout@example.com' },
    });
    assert.deepEqual(api.spec, {
      image: 'registry.example.com/orders:2.3.0',
      imagePullSecrets: [{ name: 'registry' }],
      replicas: 6,
      strategy: {
        type: 'Canary',
        canary: {
          header: { name: 'x-tester', value: 'yes' },
          steps: [
            { weight: 0, pause: true },
            { weight: 7, hold: '5m' },
            { weight: 7, analysis: ['smoke'] },
            { weight: 50, hold: '1h30m' },
            // Instead of the experiment.
            { weight: 50, pause: true },
          ],
          mirror: 25,
          analysis: {
            prometheus: {
              url: 'http://prometheus.monitoring:9090',
              timeout: '20s',
              headers: { 'X-Scope-OrgID': 'shop' },
            },
            metrics: [
              {
                name: 'error-rate',
                interval: '30s',
                initialDelay: '2m',
                count: 4,
                failureLimit: 1,
                inconclusiveLimit: 2,
                query: 'sum(rate(errors_total{rollouts_pod_template_hash="{{revision}}"}[5m]))',
                max: 0.05,
              },
              {
                name: 'smoke',
                initialDelay: '0s',
                count: 1,
                job: {
                  image: 'registry.example.com/smoke:3',
                  command: ['smoke', '--target=orders-canary'],
                  env: [{ name: 'TOKEN', valueFrom: { secretKeyRef: { name: 'smoke', key: 'token' } } }],
                  resources: { limits: { memory: '64Mi' } },
                  timeout: '2m',
                },
              },
            ],
          },
          scaleDownDelay: '1m30s',
        },
      },
      progressDeadline: '5m',
      revisionHistoryLimit: 4,
      resources: { requests: { cpu: '0.25', memory: '256Mi' }, limits: { memory: '1Gi' } },
      env: [{ name: 'LOG_LEVEL', value: 'debug' }],
      envFrom: [{ configMapRef: { name: 'orders' } }],
      volumes: [{ name: 'data', emptyDir: { sizeLimit: '1Gi' } }],
      volumeMounts: [{ name: 'data', mountPath: '/mnt/data' }],
      podMetadata: { labels: { app: 'orders' }, annotations: { 'example.com/scrape': 'yes' } },
      probes: { readiness: { periodSeconds: 4 } },
      terminationGracePeriod: '1m',
      scheduling: {
        nodeSelector: { disk: 'ssd' },
        tolerations: [{ key: 'dedicated', operator: 'Equal', value: 'api', effect: 'NoSchedule' }],
        priorityClassName: 'high',
      },
      database: { secretRef: { name: 'orders-db', key: 'url' } },
      redis: { secretRef: { name: 'orders-redis', key: 'url' } },
      traffic: {
        provider: 'Istio',
        hosts: ['orders.example.com'],
        gateways: ['istio-system/public'],
      },
      service: { type: 'LoadBalancer', annotations: { 'example.com/balancer': 'internal' } },
      availability: { topologySpread: 'Zone' },
    });
    const outcomes = notes.map(({ outcome }) => outcome);
    assert.equal(outcomes[0], 'NotConverted', 'the most important notes are first');
    assert.equal(outcomes.at(-1), 'NotNeeded');
  });

  it('converts a canary without steps, routes and analysis to RollingUpdate, with the defaults of a Rollout', () => {
    assert.deepEqual(strategyOf(rollout('{ canary: { maxSurge: 2 } }')), {
      type: 'RollingUpdate',
      rollingUpdate: { maxSurge: 2, maxUnavailable: '25%' },
    });
  });

  it('converts blue-green with its pre-promotion analysis', () => {
    const metric = `{ name: up, successCondition: "result[0] >= 1", provider: { prometheus: { address: "http://p:9090", query: up } } }`;
    const strategy = `{ blueGreen: { activeService: shop, autoPromotionEnabled: false, scaleDownDelaySeconds: 600, prePromotionAnalysis: { templates: [{ templateName: t }] } } }`;
    assert.deepEqual(strategyOf(rollout(strategy), analysisTemplate(metric)), {
      type: 'BlueGreen',
      blueGreen: {
        autoPromote: false,
        analysis: {
          prometheus: { url: 'http://p:9090' },
          metrics: [{ name: 'up', initialDelay: '0s', count: 1, query: 'up', min: 1 }],
        },
        scaleDownDelay: '10m',
      },
    });
  });

  it('leaves a metric out, also of its step, if a template, an argument or a number is missing', () => {
    const steps = `{ canary: { steps: [{ setWeight: 5 }, { analysis: { templates: [{ templateName: t }, { templateName: other }] } }, { pause: {} }] } }`;
    const metric = `{ name: m, successCondition: "result[0] > 1", provider: { prometheus: { query: "x{a='{{args.a}}'}" } } }`;
    const imported = convert([rollout(steps), analysisTemplate(metric, '[{ name: a }]')]);
    assert.deepEqual(imported.api.spec.strategy, {
      type: 'Canary',
      canary: { steps: [{ weight: 5, pause: true }] },
    });
    assert.deepEqual(notesOf(imported, /templates|metrics/), [
      'spec.strategy.canary.steps[1].analysis.templates[1]: NotConverted',
      'spec.metrics[0]: NotConverted',
    ]);
  });

  it('never converts a mirrored selection of requests to a mirror of all requests', () => {
    const steps = (match: string) =>
      `{ canary: { trafficRouting: { istio: { virtualService: { name: v } } }, steps: [{ setMirrorRoute: { name: m, percentage: 10, match: [${match}] } }, { pause: {} }] } }`;
    const some = convert([rollout(steps('{ method: { exact: GET } }'))]);
    assert.equal((some.api.spec.strategy as { canary: { mirror?: number } }).canary.mirror, undefined);
    assert.deepEqual(notesOf(some, /setMirrorRoute/), [
      'spec.strategy.canary.steps[0].setMirrorRoute: NotConverted',
    ]);
  });

  it('sets a number of canary pods only if they have capacity for the highest weight', () => {
    const steps = `{ canary: { trafficRouting: { istio: { virtualService: { name: v } } }, steps: [{ setCanaryScale: { replicas: 2 } }, { setWeight: 50 }, { pause: {} }] } }`;
    const canaryOf = (replicas: number) =>
      strategyOf(rollout(steps, `replicas: ${replicas}`)).canary as { replicas?: number };
    assert.equal(canaryOf(4).replicas, 2);
    assert.equal(canaryOf(5).replicas, undefined);
  });

  it('combines more steps than a PcfApi can have, and keeps their time', () => {
    const steps = Array.from(
      { length: 40 },
      (_, weight) => `{ setWeight: ${weight} }, { pause: { duration: 60 } }`,
    );
    const imported = convert([rollout(`{ canary: { steps: [${steps}] } }`)]);
    const { canary } = imported.api.spec.strategy as { canary: { steps: unknown[] } };
    assert.equal(canary.steps.length, 20);
    assert.deepEqual(canary.steps[1], { weight: 2, hold: '2m' });
    assert.deepEqual(notesOf(imported, /steps$/), ['spec.strategy.canary.steps: Changed']);
  });

  for (const [what, document, expected] of [
    [
      'replaces a plain HTTPRoute',
      `{ parentRefs: [{ name: public, namespace: infra }], hostnames: [a.example.com], rules: [{ backendRefs: [{ name: shop, port: 80 }] }] }`,
      { provider: 'GatewayAPI', hosts: ['a.example.com'], gateways: ['infra/public'] },
    ],
    [
      'keeps an HTTPRoute with filters',
      `{ parentRefs: [{ name: public }], hostnames: [a.example.com], rules: [{ filters: [{ type: URLRewrite }], backendRefs: [{ name: shop }] }] }`,
      { provider: 'GatewayAPI', routeRef: { name: 'r' } },
    ],
  ] as [string, string, object][])
    it(`${what}`, () => {
      const route = parse(
        `{ apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: { name: r }, spec: ${document} }`,
      );
      const strategy = `{ canary: { trafficRouting: { plugins: { argoproj-labs/gatewayAPI: { httpRoute: r } } } } }`;
      assert.deepEqual(specOf([rollout(strategy), route]).traffic, expected);
    });

  it('takes the pods from the Deployment of workloadRef, and scales with its autoscaler', () => {
    const documents = [
      parse(
        `{ apiVersion: argoproj.io/v1alpha1, kind: Rollout, metadata: { name: shop }, spec: { replicas: 2, workloadRef: { apiVersion: apps/v1, kind: Deployment, name: web }, strategy: { canary: {} } } }`,
      ),
      parse(
        `{ apiVersion: apps/v1, kind: Deployment, metadata: { name: web }, spec: { template: ${template} } }`,
      ),
      parse(
        `{ apiVersion: autoscaling/v1, kind: HorizontalPodAutoscaler, metadata: { name: web }, spec: { scaleTargetRef: { kind: Rollout, name: shop }, maxReplicas: 5, targetCPUUtilizationPercentage: 60 } }`,
      ),
    ];
    const { image, replicas, autoscaling } = specOf([{ kind: 'List', items: documents }]);
    assert.deepEqual(
      { image, replicas, autoscaling },
      {
        image: 'shop:1',
        replicas: undefined,
        autoscaling: { horizontal: { maxReplicas: 5, cpu: 60 } },
      },
    );
    assert.throws(
      () => convert([documents[0]]),
      /spec\.workloadRef names Deployment web, which is not in the input/,
    );
  });

  it('takes the objects of its namespace from an input with several environments', () => {
    const inNamespace = (namespace: string, image: string) =>
      parse(
        `{ apiVersion: apps/v1, kind: Deployment, metadata: { name: web, namespace: ${namespace} }, spec: { template: ${template.replace('shop:1', image)} } }`,
      );
    const main = parse(
      `{ apiVersion: argoproj.io/v1alpha1, kind: Rollout, metadata: { name: shop, namespace: production }, spec: { workloadRef: { apiVersion: apps/v1, kind: Deployment, name: web }, strategy: { canary: {} } } }`,
    );
    const { image } = specOf([inNamespace('staging', 'shop:2'), main, inNamespace('production', 'shop:1')]);
    assert.equal(image, 'shop:1');
  });

  it('a step that decides and is not converted becomes a pause', () => {
    const steps =
      '[{ setWeight: 20 }, { plugin: { name: p } }, { setWeight: 60 }, { analysis: {} }, { setWeight: 100 }]';
    const { canary } = strategyOf(rollout(`{ canary: { steps: ${steps} } }`)) as {
      canary: { steps: object[] };
    };
    assert.deepEqual(canary.steps, [
      { weight: 20, pause: true },
      { weight: 60, pause: true },
      { weight: 100 },
    ]);
  });

  it('requires the database, from the options or as a placeholder', () => {
    const databaseSecret = { name: 'db', key: 'url' };
    const given = convert([rollout('{ canary: {} }')], {
      databaseSecret,
      environment: 'staging',
      name: 'api',
    });
    assert.deepEqual(given.api.spec.database, { secretRef: databaseSecret });
    assert.deepEqual([given.api.spec.environment, given.api.metadata.name], ['staging', 'api']);
    const missing = convert([rollout('{ canary: {} }')]);
    assert.deepEqual(missing.api.spec.database, { secretRef: { name: 'shop-secrets', key: 'database-url' } });
    assert.equal(
      missing.notes.some(({ outcome }) => outcome === 'Required'),
      true,
    );
  });

  it('reports a value that the schema of PcfApi rejects, and leaves it out', () => {
    const imported = convert([rollout('{ canary: {} }', 'revisionHistoryLimit: 80, replicas: 4')]);
    assert.equal(imported.api.spec.revisionHistoryLimit, undefined);
    assert.equal(imported.api.spec.replicas, 4);
    assert.deepEqual(notesOf(imported, /History/), ['spec.revisionHistoryLimit: NotConverted']);
    const why = imported.notes.find(({ path }) => /History/.test(path))?.why;
    assert.match(why ?? '', /spec\.revisionHistoryLimit of a PcfApi rejects the value: .*<=50/);
  });

  for (const [what, documents, message] of [
    ['no Rollout', [{ apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' } }], /contains no Rollout/],
    ['two Rollouts', [rollout('{}'), rollout('{}')], /2 objects of kind Rollout: shop, shop/],
    ['a document that is no object', [{ a: 1 }], /has no apiVersion and kind/],
    [
      'a field of a wrong type',
      [rollout('{ canary: {} }', 'replicas: "4"')],
      /spec\.replicas must be a number, got a string/,
    ],
    [
      'an invalid duration',
      [rollout('{ canary: { steps: [{ pause: { duration: soon } }] } }')],
      /duration must be a duration such as/,
    ],
    [
      'an image that is no reference',
      [rollout('{ canary: {} }', 'template: { spec: { containers: [{ image: "A b" }] } }')],
      /spec\.image/,
    ],
  ] as [string, unknown[], RegExp][])
    it(`rejects ${what}`, () => assert.throws(() => convert(documents), message));
});
