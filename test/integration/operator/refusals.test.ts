import assert from 'node:assert/strict';
import type { PcfApi } from '../../../operator/api/v1alpha1/pcfapi.js';
import { PcfApiKind, ServiceKind } from '../../../operator/resources/kinds.js';
import type { OperatorProcess } from '../../../sandbox/operator-process.js';
import type { PcfApiView, PcfApiWatch } from '../../../sandbox/story/pcfapi-watch.js';
import { line } from '../../support/cluster/audit-log.js';
import {
  type AuditedCluster,
  metricsText,
  sharedAuditedCluster,
} from '../../support/cluster/audited-cluster.js';
import { notesOf } from '../../support/cluster/drift.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { START_TIMEOUT_MS } from '../../support/cluster/sandbox.js';
import { itConcurrently as it } from '../../support/runner/it-concurrently.js';
import { HttpEndpoint } from '../../support/servers/http-endpoint.js';

interface RejectedSpec {
  /** Spec with an invalid value. */
  spec: object;
  /** Expected message of conditions and Events. */
  pattern: RegExp;
  /** Patch of the spec that fixes it. */
  fix: object;
}

const scaling = (metric: object) => ({
  replicas: undefined,
  autoscaling: { horizontal: { maxReplicas: 3, metrics: [metric] } },
});
const cpu = (averageUtilization: unknown) => ({
  type: 'Resource',
  resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization } },
});

/** Specs that are valid for PcfApi, but render an object that the API server rejects, by cause. */
const rejectedSpecs: Record<string, RejectedSpec> = {
  'validation of the kind': {
    spec: { scheduling: { tolerations: [{ key: 'a', operator: 'Exists', value: 'b' }] } },
    pattern: /tolerations\[0\].*value must be empty when `operator` is 'Exists'/,
    fix: { scheduling: null },
  },
  'schema of a custom resource': {
    spec: { traffic: { provider: 'GatewayAPI', hosts: ['a..b'], gateways: ['gateways/public'] } },
    pattern: /HTTPRoute.*spec\.hostnames\[0\].*"a\.\.b"/,
    fix: { traffic: { hosts: ['a.b'] } },
  },
  'unknown field': {
    spec: scaling({ nonsense: true }),
    pattern: /HorizontalPodAutoscaler.*\.spec\.metrics\[0\]\.nonsense: field not declared in schema/,
    fix: scaling(cpu(70)),
  },
  'value of a wrong type': {
    spec: scaling(cpu('much')),
    pattern: /HorizontalPodAutoscaler.*averageUtilization: expected numeric/,
    fix: scaling(cpu(70)),
  },
};

const readyMessage = (api?: PcfApiView) =>
  api?.status?.conditions?.find(({ type }) => type === 'Ready')?.message ?? '';

describe('the operator with rejected writes', () => {
  let cluster: AuditedCluster;
  let operator: OperatorProcess;
  let webhook: HttpEndpoint;

  before(async function () {
    this.timeout(START_TIMEOUT_MS);
    cluster = await sharedAuditedCluster();
    webhook = await HttpEndpoint.start(true);
    operator = await cluster.operator('operator', { args: ['--resync', '0'] });
  });
  after(async () => {
    await cluster?.clear();
    await webhook?.stop();
  });

  const rejectedWrites = (namespace: string, mark: number) =>
    cluster.audit
      .since(mark)
      .filter(({ responseStatus, objectRef }) => {
        const code = responseStatus?.code ?? 0;
        return objectRef?.namespace === namespace && code >= 400 && ![409, 429].includes(code);
      })
      .map(line);

  const condition = (watch: PcfApiWatch, type: string) =>
    watch.now()?.status?.conditions?.find((candidate) => candidate.type === type);

  /** Asserts that conditions and an Event report the error, and that the write is not retried. */
  async function assertReported(namespace: string, watch: PcfApiWatch, pattern: RegExp): Promise<void> {
    await watch.until('Invalid', (api?: PcfApiView) => api?.status?.reason === 'Invalid');
    for (const [type, status] of [
      ['Ready', 'False'],
      ['Stalled', 'True'],
    ] as const) {
      assert.equal(condition(watch, type)?.status, status);
      assert.match(condition(watch, type)?.message ?? '', pattern);
    }
    await eventually('an Event reports it', async () => pattern.test(await notesOf(cluster, namespace)));
    let mark = cluster.audit.mark();
    let since = performance.now();
    // Changes of pods and endpoints still trigger a few reconciles.
    await eventually('the write is not retried', () => {
      if (rejectedWrites(namespace, mark).length > 0) {
        mark = cluster.audit.mark();
        since = performance.now();
      }
      return performance.now() - since > 2_000;
    });
  }

  for (const [cause, { spec, pattern, fix }] of Object.entries(rejectedSpecs)) {
    it(`reports the error, and retries when the spec changes: ${cause}`, async () => {
      const namespace = await cluster.namespace(`refused-${Object.keys(rejectedSpecs).indexOf(cause)}`);
      const watch = await cluster.create(namespace, spec);
      await assertReported(namespace, watch, pattern);
      await cluster.patch(namespace, fix);
      await cluster.ready(watch);
      assert.equal(condition(watch, 'Stalled')?.status, 'False');
    });
  }

  it('continues the steps of a delivery on schedule', async () => {
    const namespace = await cluster.namespace('refused-beside');
    const steps = [
      { weight: 10, hold: '2s' },
      { weight: 50, hold: '2s' },
    ];
    const watch = await cluster.create(namespace, { strategy: { type: 'Canary', canary: { steps } } });
    await cluster.ready(watch);
    const image = 'registry.example.com/pcf-api:1.1.0';
    await cluster.patch(namespace, { image, ...scaling({ nonsense: true }) });
    await watch.until('promoted', (api?: PcfApiView) => api?.status?.stableImage === image);
    assert.equal(watch.now()?.status?.reason, 'Invalid', 'the rejected write is still reported');
    const series = `namespace="${namespace}",name="api"`;
    // The metrics are updated right after the status is written.
    await eventually('the metrics report the phase and the promotion', async () => {
      const text = await metricsText(operator);
      return [
        `pcf_phase{${series},phase="Failed"} 1`,
        `pcf_deliveries_total{${series},outcome="Promoted"} 2`,
      ].every((sample) => text.includes(sample));
    });
    await eventually('an Event reports the promotion', async () => {
      const notes = await notesOf(cluster, namespace);
      return notes.match(/promoted \S+ to the stable revision/g)?.length === 2;
    });
  });

  it('reports the message of a ValidatingAdmissionPolicy', async () => {
    const namespace = await cluster.namespace('refused-policy');
    const match = {
      namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
      resourceRules: [
        { apiGroups: ['batch'], apiVersions: ['v1'], operations: ['CREATE'], resources: ['jobs'] },
      ],
    };
    const group = 'admissionregistration.k8s.io/v1';
    const name = 'own-registry';
    await cluster.sandbox.parts.kubectl.apply([
      {
        apiVersion: group,
        kind: 'ValidatingAdmissionPolicy',
        metadata: { name },
        spec: {
          matchConstraints: match,
          validations: [
            {
              expression:
                "object.spec.template.spec.containers.all(c, c.image.startsWith('own.example.com/'))",
              message: 'images must come from own.example.com',
            },
          ],
        },
      },
      {
        apiVersion: group,
        kind: 'ValidatingAdmissionPolicyBinding',
        metadata: { name },
        spec: { policyName: name, validationActions: ['Deny'] },
      },
    ]);
    const job = (of: string) => [
      ...['create', 'job', 'probe', '-n', namespace, `--image=${of}/x`, '--dry-run=server'],
    ];
    const denied = () =>
      cluster.sandbox.parts.kubectl.run(job('other.example.com')).then(
        () => false,
        () => true,
      );
    await eventually('the policy is in effect', denied);
    const watch = await cluster.create(namespace);
    await assertReported(namespace, watch, /jobs\.batch.*images must come from own\.example\.com/);
    await cluster.patch(namespace, { image: 'own.example.com/pcf-api:1.0.0' });
    await cluster.ready(watch);
  });

  it('reports the message of an admission webhook', async () => {
    const namespace = await cluster.namespace('refused-webhook');
    webhook.answer = ({ body }) => {
      const { request } = JSON.parse(body) as {
        request: { uid: string; object: { spec: { replicas: number } } };
      };
      const allowed = request.object.spec.replicas >= 2;
      const response = {
        uid: request.uid,
        allowed,
        ...(allowed ? {} : { status: { message: 'two pods at least' } }),
      };
      const answer = { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response };
      return { headers: { 'content-type': 'application/json' }, body: JSON.stringify(answer) };
    };
    await cluster.sandbox.parts.kubectl.apply([
      {
        apiVersion: 'admissionregistration.k8s.io/v1',
        kind: 'ValidatingWebhookConfiguration',
        metadata: { name: 'two-pods' },
        webhooks: [
          {
            name: 'two-pods.example.com',
            admissionReviewVersions: ['v1'],
            sideEffects: 'None',
            clientConfig: {
              url: `${webhook.url}/review`,
              caBundle: Buffer.from(webhook.ca).toString('base64'),
            },
            namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
            rules: [
              {
                apiGroups: ['apps'],
                apiVersions: ['v1'],
                operations: ['CREATE'],
                resources: ['deployments'],
              },
            ],
          },
        ],
      },
    ]);
    const deploy = ['create', 'deployment', 'probe', '-n', namespace, '--image=x', '--dry-run=server'];
    const denied = () =>
      cluster.sandbox.parts.kubectl.run(deploy).then(
        () => false,
        () => true,
      );
    await eventually('the webhook is called', denied);
    const watch = await cluster.create(namespace);
    await assertReported(namespace, watch, /two pods at least/);
    await cluster.patch(namespace, { replicas: 2 });
    await cluster.ready(watch);
  });

  /** Creates a webhook without an endpoint that blocks all writes of a kind. Returns its deletion. */
  async function blockWrites(
    namespace: string,
    apiGroup: string,
    resource: string,
  ): Promise<() => Promise<void>> {
    const name = `away-${resource}.example.com`;
    const rule = { apiGroups: [apiGroup], apiVersions: ['v1'], operations: ['*'], resources: [resource] };
    const { kubectl } = cluster.sandbox.parts;
    await kubectl.apply([
      {
        apiVersion: 'admissionregistration.k8s.io/v1',
        kind: 'ValidatingWebhookConfiguration',
        metadata: { name },
        webhooks: [
          {
            name,
            admissionReviewVersions: ['v1'],
            sideEffects: 'None',
            failurePolicy: 'Fail',
            clientConfig: { url: 'https://127.0.0.1:9/review' },
            namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
            rules: [rule],
          },
        ],
      },
    ]);
    const probe = {
      networkpolicies: {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'NetworkPolicy',
        spec: { podSelector: {} },
      },
      deployments: {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        spec: {
          selector: { matchLabels: { a: 'b' } },
          template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'a', image: 'a' }] } },
        },
      },
    }[resource];
    const object = JSON.stringify({ ...probe, metadata: { name: 'probe', namespace } });
    await eventually('the webhook is called', () =>
      kubectl.apply(object, '--dry-run=server').then(
        () => false,
        () => true,
      ),
    );
    return async () => void (await kubectl.run(['delete', 'validatingwebhookconfiguration', name]));
  }

  it('reports an unreachable webhook, and continues a delivery that does not depend on it', async () => {
    const namespace = await cluster.namespace('away-beside');
    const unblockWrites = await blockWrites(namespace, 'networking.k8s.io', 'networkpolicies');
    const steps = [{ weight: 10, hold: '1s' }];
    const watch = await cluster.create(namespace, { strategy: { type: 'Canary', canary: { steps } } });
    const awaitStable = (image: string) =>
      watch.until(image, (api?: PcfApiView) => api?.status?.stableImage === image);
    await awaitStable('registry.example.com/pcf-api:1.0.0');
    await cluster.patch(namespace, { image: 'registry.example.com/pcf-api:1.1.0' });
    await awaitStable('registry.example.com/pcf-api:1.1.0');
    const pattern =
      /^writing NetworkPolicy api failed .* failed calling webhook "away-networkpolicies\.example\.com"/;
    assert.equal(watch.now()?.status?.reason, 'WebhookFailed');
    for (const [type, status] of [
      ['Ready', 'False'],
      ['Reconciling', 'True'],
      ['Stalled', 'False'],
      ['Degraded', 'True'],
    ] as const)
      assert.equal(condition(watch, type)?.status, status, type);
    assert.match(condition(watch, 'Ready')?.message ?? '', pattern);
    assert.match(condition(watch, 'Degraded')?.message ?? '', pattern);
    await eventually('an Event reports it', async () =>
      /writing NetworkPolicy api failed/.test(await notesOf(cluster, namespace)),
    );
    await unblockWrites();
    await cluster.patch(namespace, { replicas: 2 }); // triggers a retry, which otherwise takes up to 30 s
    await cluster.ready(watch);
    assert.equal(condition(watch, 'Degraded')?.status, 'False');
  });

  it('reports an unreachable webhook, records the started delivery, and continues after the webhook is deleted', async () => {
    const namespace = await cluster.namespace('away-amid');
    const unblockWrites = await blockWrites(namespace, 'apps', 'deployments');
    const watch = await cluster.create(namespace);
    await watch.until(
      'the unreachable webhook is reported',
      (api?: PcfApiView) => api?.status?.reason === 'WebhookFailed',
    );
    assert.match(condition(watch, 'Ready')?.message ?? '', /^writing Deployment api-\S+ failed/);
    const { status } = (await cluster.client.get(PcfApiKind, namespace, 'api')) as unknown as PcfApi;
    assert.ok(status?.delivery?.update && status.delivery.startedAt, JSON.stringify(status?.delivery));
    await unblockWrites();
    await cluster.ready(watch, 35_000);
  });

  it('writes the reason and observedGeneration when the status is rejected, and the full status once it is accepted', async () => {
    const namespace = await cluster.namespace('refused-status');
    const watch = await cluster.create(namespace);
    await cluster.ready(watch);
    const group = 'admissionregistration.k8s.io/v1';
    const name = 'small-status';
    await cluster.sandbox.parts.kubectl.apply([
      {
        apiVersion: group,
        kind: 'ValidatingAdmissionPolicy',
        metadata: { name },
        spec: {
          matchConstraints: {
            namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
            resourceRules: [
              {
                apiGroups: ['pcf.dev'],
                apiVersions: ['*'],
                operations: ['UPDATE'],
                resources: ['pcfapis/status'],
              },
            ],
          },
          validations: [{ expression: '!has(object.status.updateRevision)', message: 'status is too large' }],
        },
      },
      {
        apiVersion: group,
        kind: 'ValidatingAdmissionPolicyBinding',
        metadata: { name },
        spec: { policyName: name, validationActions: ['Deny'] },
      },
    ]);
    const { kubectl } = cluster.sandbox.parts;
    const status = JSON.stringify({ status: { updateRevision: 'api-x' } });
    const probe = ['patch', 'pcfapi', 'api', '-n', namespace, '--subresource=status', '--type=merge'];
    await eventually('the policy is in effect', () =>
      kubectl.run([...probe, '-p', status, '--dry-run=server']).then(
        () => false,
        () => true,
      ),
    );
    await cluster.patch(namespace, { image: 'registry.example.com/pcf-api:1.1.0' });
    await watch.until('reported', (api?: PcfApiView) => api?.status?.reason === 'ReconcileFailed');
    const { metadata } = await cluster.client.get(PcfApiKind, namespace, 'api');
    for (const [type, value] of [
      ['Ready', 'False'],
      ['Stalled', 'True'],
    ] as const) {
      const { status, message, observedGeneration } = condition(watch, type) ?? {};
      assert.equal(status, value, type);
      assert.match(message ?? '', /the API server rejects the status: .*status is too large/);
      assert.equal(observedGeneration, metadata.generation);
    }
    await kubectl.run(['delete', 'validatingadmissionpolicybinding', name]);
    await cluster.patch(namespace, { replicas: 2 }); // triggers a retry before the backoff expires
    await cluster.ready(watch);
    assert.equal(watch.now()?.status?.stableImage, 'registry.example.com/pcf-api:1.1.0');
  });

  it('reports the policy that blocks a deletion, and completes the deletion after the policy is deleted', async () => {
    const namespace = await cluster.namespace('held');
    const watch = await cluster.create(namespace);
    await cluster.ready(watch);
    const group = 'admissionregistration.k8s.io/v1';
    const name = 'keep-routes';
    await cluster.sandbox.parts.kubectl.apply([
      {
        apiVersion: group,
        kind: 'ValidatingAdmissionPolicy',
        metadata: { name },
        spec: {
          matchConstraints: {
            namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
            resourceRules: [
              {
                apiGroups: ['networking.istio.io'],
                apiVersions: ['*'],
                operations: ['DELETE'],
                resources: ['virtualservices'],
              },
            ],
          },
          validations: [{ expression: 'false', message: 'routes are frozen' }],
        },
      },
      {
        apiVersion: group,
        kind: 'ValidatingAdmissionPolicyBinding',
        metadata: { name },
        spec: { policyName: name, validationActions: ['Deny'] },
      },
    ]);
    const { kubectl } = cluster.sandbox.parts;
    await eventually('the policy is in effect', () =>
      kubectl.run(['delete', 'virtualservice', 'api', '-n', namespace, '--dry-run=server']).then(
        () => false,
        () => true,
      ),
    );
    await cluster.client.delete(PcfApiKind, namespace, 'api');
    await watch.until('the blocked deletion is reported', (api?: PcfApiView) =>
      /frozen/.test(readyMessage(api)),
    );
    assert.equal(watch.now()?.status?.phase, 'Deleting');
    assert.equal(condition(watch, 'Ready')?.status, 'False');
    assert.match(
      condition(watch, 'Ready')?.message ?? '',
      /^being deleted since \S+; blocked: .*routes are frozen/,
    );
    await kubectl.run(['delete', 'validatingadmissionpolicybinding', name]);
    await watch.until('the PcfApi is deleted', (api?: PcfApiView) => api === undefined, 35_000);
  });

  it('reports a conflict with a list entry that another field manager added to an owned object', async () => {
    const namespace = await cluster.namespace('refused-clash');
    const watch = await cluster.create(namespace);
    await cluster.ready(watch);
    // The other manager owns this port. Server-side apply merges both ports, and port names must be unique.
    const [service] = (await cluster.client.list(ServiceKind, { namespace })).items;
    const { name } = service!.metadata;
    const [{ name: port }] = (service!.spec as { ports: [{ name: string }] }).ports;
    const patch = (ports: object[]) =>
      cluster.client.patch(ServiceKind, namespace, name, { spec: { ports } }, { fieldManager: 'meddler' });
    await patch([{ name: port, port: 81 }]);
    await assertReported(namespace, watch, new RegExp(`Service.*${name}.*Duplicate value: "${port}"`));
    await patch([{ name: 'theirs', port: 81 }]);
    await cluster.ready(watch);
  });
});
