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
import { blockWrites, denyWrites, registerWebhook } from './admission-control.js';
import { rejectedSpecs, scaling } from './rejected-specs.js';

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
    await denyWrites(cluster.sandbox.parts, {
      ...{ name: 'own-registry', namespace },
      rule: { apiGroups: ['batch'], apiVersions: ['v1'], operations: ['CREATE'], resources: ['jobs'] },
      expression: "object.spec.template.spec.containers.all(c, c.image.startsWith('own.example.com/'))",
      message: 'images must come from own.example.com',
    });
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
    await registerWebhook(cluster.sandbox.parts, {
      ...{ name: 'two-pods.example.com', namespace },
      rule: { apiGroups: ['apps'], apiVersions: ['v1'], operations: ['CREATE'], resources: ['deployments'] },
      clientConfig: {
        url: `${webhook.url}/review`,
        caBundle: Buffer.from(webhook.ca).toString('base64'),
      },
    });
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

  it('reports an unreachable webhook, and continues a delivery that does not depend on it', async () => {
    const namespace = await cluster.namespace('away-beside');
    const unblockWrites = await blockWrites(
      cluster.sandbox.parts,
      namespace,
      'networking.k8s.io',
      'networkpolicies',
    );
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
    const unblockWrites = await blockWrites(cluster.sandbox.parts, namespace, 'apps', 'deployments');
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
    const { kubectl } = cluster.sandbox.parts;
    const allow = await denyWrites(cluster.sandbox.parts, {
      ...{ name: 'small-status', namespace },
      rule: {
        ...{
          apiGroups: ['pcf.dev'],
          apiVersions: ['*'],
          operations: ['UPDATE'],
          resources: ['pcfapis/status'],
        },
      },
      expression: '!has(object.status.updateRevision)',
      message: 'status is too large',
    });
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
    await allow();
    await cluster.patch(namespace, { replicas: 2 }); // triggers a retry before the backoff expires
    await cluster.ready(watch);
    assert.equal(watch.now()?.status?.stableImage, 'registry.example.com/pcf-api:1.1.0');
  });

  it('reports the policy that blocks a deletion, and completes the deletion after the policy is deleted', async () => {
    const namespace = await cluster.namespace('held');
    const watch = await cluster.create(namespace);
    await cluster.ready(watch);
    const { kubectl } = cluster.sandbox.parts;
    const allow = await denyWrites(cluster.sandbox.parts, {
      ...{ name: 'keep-routes', namespace },
      rule: {
        ...{ apiGroups: ['networking.istio.io'], apiVersions: ['*'] },
        ...{ operations: ['DELETE'], resources: ['virtualservices'] },
      },
      expression: 'false',
      message: 'routes are frozen',
    });
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
    await allow();
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
