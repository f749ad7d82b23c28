import assert from 'node:assert/strict';
import {
  BackendTlsPolicyKind,
  CertificateKind,
  ConfigMapKind,
  ControllerRevisionKind,
  DeploymentKind,
  DestinationRuleKind,
  ExternalSecretKind,
  GatewayKind,
  HorizontalPodAutoscalerKind,
  HttpRouteKind,
  IngressKind,
  JobKind,
  NetworkPolicyKind,
  OWNED_KINDS,
  PcfApiKind,
  PcfWindowKind,
  PodDisruptionBudgetKind,
  ReferenceGrantKind,
  ServiceAccountKind,
  ServiceKind,
  ServiceMonitorKind,
  VerticalPodAutoscalerKind,
  VirtualServiceKind,
} from '../../../operator/resources/kinds.js';
import type { ResourceType } from '../../../operator/runtime/kube-client.js';
import { line } from '../../support/cluster/audit-log.js';
import { type AuditedCluster, sharedAuditedCluster } from '../../support/cluster/audited-cluster.js';
import {
  deleteAndAwaitRestore,
  EVERY_KIND,
  editAndAwaitRepair,
  notesOf,
  ownedOf,
} from '../../support/cluster/drift.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { START_TIMEOUT_MS } from '../../support/cluster/sandbox.js';

const INSTANCE = 'app.kubernetes.io/instance';
const LABELS = { metadata: { labels: { 'app.kubernetes.io/name': 'meddled' } } };
const elsewhere = 'elsewhere.example.com';

/** One edit per kind of a field that the operator manages: kind, namespace and patch. */
const edits: [ResourceType, string, object][] = [
  [DeploymentKind, 'drift-istio', { spec: { replicas: 4 } }],
  [VirtualServiceKind, 'drift-istio', { spec: { hosts: [elsewhere] } }],
  [DestinationRuleKind, 'drift-istio', { spec: { host: 'elsewhere' } }],
  [ServiceKind, 'drift-istio', { spec: { selector: { 'app.kubernetes.io/instance': 'other' } } }],
  [NetworkPolicyKind, 'drift-istio', { spec: { policyTypes: ['Ingress'] } }],
  [PodDisruptionBudgetKind, 'drift-istio', { spec: { maxUnavailable: 0 } }],
  [IngressKind, 'drift-ingress', { spec: { rules: [{ host: elsewhere }] } }],
  [HttpRouteKind, 'drift-gateway', { spec: { hostnames: [elsewhere] } }],
  [GatewayKind, 'drift-gateway', { spec: { gatewayClassName: 'another' } }],
  [CertificateKind, 'drift-gateway', { spec: { dnsNames: [elsewhere] } }],
  [ExternalSecretKind, 'drift-gateway', { spec: { secretStoreRef: { name: 'another' } } }],
  [HorizontalPodAutoscalerKind, 'drift-gateway', { spec: { maxReplicas: 100 } }],
  [VerticalPodAutoscalerKind, 'drift-gateway', { spec: { updatePolicy: { updateMode: 'Recreate' } } }],
  [BackendTlsPolicyKind, 'drift-secured', { spec: { validation: { hostname: elsewhere } } }],
  [ReferenceGrantKind, 'drift-secured', { spec: { to: [{ group: '', kind: 'Secret' }] } }],
  [ServiceMonitorKind, 'drift-gateway', { spec: { podTargetLabels: [] } }],
  // Other managed fields of these kinds are immutable.
  [ConfigMapKind, 'drift-istio', LABELS],
  [ControllerRevisionKind, 'drift-istio', LABELS],
  [ServiceAccountKind, 'drift-istio', LABELS],
];

/** Regular expression for the field of a patch in an Event, such as `spec.replicas`. */
function fieldOf(patch: object): string {
  const [section, fields] = Object.entries(patch)[0] as [string, object];
  return `${section}\\.${Object.keys(fields)[0]}`;
}

interface Status {
  phase: string;
  stableRevision: string;
  reason: string;
  traffic?: { desiredWeight: number; effectiveWeight: number };
  windows?: { state: string };
  delivery?: { update?: string; startedAt?: string };
}

describe('drift repair', () => {
  let cluster: AuditedCluster;

  before(async function () {
    this.timeout(START_TIMEOUT_MS);
    cluster = await sharedAuditedCluster();
    // Without a resync, only the watch event of an edit triggers its repair.
    await cluster.operator('operator', { args: ['--resync', '0'] });
    await Promise.all(
      Object.entries(EVERY_KIND).map(async ([name, spec]) => {
        const namespace = await cluster.namespace(`drift-${name}`);
        await cluster.ready(await cluster.create(namespace, spec));
      }),
    );
  });
  after(() => cluster?.clear());

  it('is tested for every owned kind', () => {
    const covered = [...edits.map(([type]) => type), JobKind];
    assert.deepEqual(new Set(covered), new Set(OWNED_KINDS));
  });

  for (const [type, namespace, patch] of edits) {
    it(`reverts an edited ${type.kind} within 1 s, and records an Event that names the field manager`, async () => {
      const before = await ownedOf(cluster, type, namespace);
      const manager = `meddler-${type.plural}`;
      const tookMs = await editAndAwaitRepair(cluster, type, before, { patch, manager });
      assert.ok(tookMs < 1_000, `it took ${Math.round(tookMs)} ms`);
      const eventPattern = new RegExp(
        `${type.kind} ${before.metadata.name}: .*${fieldOf(patch)}.* was changed by ${manager} and reverted`,
      );
      await eventually('an Event names the field manager', async () =>
        eventPattern.test(await notesOf(cluster, namespace)),
      );
    });

    it(`recreates a deleted ${type.kind} within 1 s`, async () => {
      const tookMs = await deleteAndAwaitRestore(cluster, type, await ownedOf(cluster, type, namespace));
      assert.ok(tookMs < 1_000, `it took ${Math.round(tookMs)} ms`);
    });
  }

  for (const [what, labels] of [
    ['has lost the labels of the operator', { [INSTANCE]: null, 'app.kubernetes.io/managed-by': null }],
    ['has the instance label of another PcfApi', { [INSTANCE]: 'another' }],
  ] as const) {
    it(`finds and repairs an object that ${what}`, async () => {
      const before = await ownedOf(cluster, NetworkPolicyKind, 'drift-istio');
      const edit = { patch: { metadata: { labels } }, manager: 'labeller' };
      const tookMs = await editAndAwaitRepair(cluster, NetworkPolicyKind, before, edit);
      assert.ok(tookMs < 1_000, `it took ${Math.round(tookMs)} ms`);
    });
  }

  it('reverts a write to the scale subresource, and records an Event that names its field manager', async () => {
    const namespace = 'drift-istio';
    const { metadata } = await ownedOf(cluster, DeploymentKind, namespace);
    const annotations = { 'example.com/team': 'payments' };
    const { name } = metadata;
    await cluster.client.patch(
      DeploymentKind,
      namespace,
      name,
      { metadata: { annotations } },
      { fieldManager: 'innocent' },
    );
    const before = await cluster.client.get(DeploymentKind, namespace, name);
    const edit = { patch: { spec: { replicas: 5 } }, manager: 'autoscaler', subresource: 'scale' as const };
    await editAndAwaitRepair(cluster, DeploymentKind, before, edit);
    await eventually('an Event names the field manager', async () =>
      new RegExp(`Deployment ${name}: spec\\.replicas was changed by autoscaler`).test(
        await notesOf(cluster, namespace),
      ),
    );
    assert.doesNotMatch(await notesOf(cluster, namespace), /changed by innocent/);
  });

  it('does not remove annotations that other field managers added', async () => {
    const { client } = cluster;
    const { metadata } = await ownedOf(cluster, DeploymentKind, 'drift-istio');
    const annotations = { 'example.com/owner': 'payments' };
    const patch = { metadata: { annotations }, spec: { replicas: 7 } };
    await client.patch(DeploymentKind, metadata.namespace, metadata.name, patch, { fieldManager: 'both' });
    const live = async () => client.get(DeploymentKind, metadata.namespace, metadata.name);
    await eventually('replicas are reverted', async () => {
      const { spec } = await live();
      return (spec as { replicas: number }).replicas === 2;
    });
    assert.equal((await live()).metadata.annotations?.['example.com/owner'], 'payments');
  });

  it('recreates a deleted Job, repairs its labels, and runs it only once', async () => {
    const namespace = await cluster.namespace('drift-job');
    const { client, sandbox } = cluster;
    // With a pod quota of 0 the Job exists and does not run.
    await sandbox.parts.kubectl.run(['create', 'quota', 'full', '--hard=pods=0', '-n', namespace]);
    const watch = await cluster.create(namespace);
    await watch.until('Migrating', (api) => api?.status?.reason === 'Migrating');
    const jobs = async () => (await client.list(JobKind, { namespace })).items;
    await eventually('the Job exists', async () => (await jobs()).length === 1);

    const backMs = await deleteAndAwaitRestore(cluster, JobKind, (await jobs())[0]!);
    assert.ok(backMs < 1_000, `it took ${Math.round(backMs)} ms`);

    const before = await ownedOf(cluster, JobKind, namespace);
    const labels = { [INSTANCE]: null, 'pcf.dev/revision': 'another' };
    const edit = { patch: { metadata: { labels } }, manager: 'labeller' };
    const foundMs = await editAndAwaitRepair(cluster, JobKind, before, edit);
    assert.ok(foundMs < 1_000, `it took ${Math.round(foundMs)} ms`);
    await eventually('an Event names the field manager', async () =>
      /Job .* was changed by labeller/.test(await notesOf(cluster, namespace)),
    );

    await sandbox.parts.kubectl.run(['delete', 'quota', 'full', '-n', namespace]);
    await cluster.ready(watch);
    assert.equal((await jobs()).length, 1);
  });

  it('recreates the ControllerRevision of the stable revision during a delivery without a write to the route', async () => {
    const namespace = 'drift-istio';
    const { client } = cluster;
    const deployment = await ownedOf(cluster, DeploymentKind, namespace);
    const stable = deployment.metadata.name;
    await cluster.patch(namespace, { image: 'registry.example.com/pcf-api:2.0.0', canaryWeight: 10 });
    const status = async () => (await client.get(PcfApiKind, namespace, 'api')).status as Status;
    await eventually('10 %', async () => (await status()).traffic?.effectiveWeight === 10);
    const mark = cluster.audit.mark();

    const record = await client.get(ControllerRevisionKind, namespace, stable);
    const tookMs = await deleteAndAwaitRestore(cluster, ControllerRevisionKind, record);
    assert.ok(tookMs < 1_000, `it took ${Math.round(tookMs)} ms`);
    const again = await client.get(ControllerRevisionKind, namespace, stable);
    assert.equal((again.data as { image: string }).image, 'registry.example.com/pcf-api:1.0.0');

    const { uid, generation } = (await client.get(DeploymentKind, namespace, stable)).metadata;
    assert.deepEqual([uid, generation], [deployment.metadata.uid, deployment.metadata.generation]);
    const weights = cluster.audit
      .writesSince(mark)
      .filter(({ objectRef }) => objectRef?.resource === 'virtualservices');
    assert.deepEqual(weights.map(line), [], 'the route is not written');
    assert.equal((await status()).traffic?.effectiveWeight, 10);
    await cluster.patch(namespace, { image: 'registry.example.com/pcf-api:1.0.0' });
    await eventually('the delivery is canceled', async () => (await status()).phase === 'Ready');
    assert.equal((await status()).stableRevision, stable);
  });

  it('a freeze takes effect within a second and holds the weight until its end, but neither a repair, nor a lower weight, nor an abort', async () => {
    const namespace = 'drift-istio';
    const { client } = cluster;
    const status = async () => (await client.get(PcfApiKind, namespace, 'api')).status as unknown as Status;
    const awaitWeight = (weight: number) =>
      eventually(`${weight} %`, async () => (await status()).traffic?.effectiveWeight === weight);
    await cluster.patch(namespace, { image: 'registry.example.com/pcf-api:3.0.0', canaryWeight: 30 });
    await awaitWeight(30);

    await client.create(PcfWindowKind, {
      apiVersion: 'pcf.dev/v1alpha1',
      kind: 'PcfWindow',
      metadata: { name: 'incident' },
      spec: {
        namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
        freeze: [{ reason: 'INC-4711' }],
      },
    });
    const from = performance.now();
    await eventually('the freeze', async () => (await status()).windows?.state === 'Closed');
    const tookMs = performance.now() - from;
    assert.ok(tookMs < 1_000, `it took ${Math.round(tookMs)} ms`);

    await cluster.patch(namespace, { canaryWeight: 60 });
    await eventually('the weight is held', async () => (await status()).reason === 'WindowClosed');
    const { traffic } = await status();
    assert.deepEqual([traffic?.desiredWeight, traffic?.effectiveWeight], [60, 30]);
    const route = await ownedOf(cluster, VirtualServiceKind, namespace);
    const patch = { spec: { hosts: [elsewhere] } };
    await editAndAwaitRepair(cluster, VirtualServiceKind, route, { patch, manager: 'meddler' });
    await cluster.patch(namespace, { canaryWeight: 10 });
    await awaitWeight(10);

    const freeze = (period: object) =>
      client.patch(
        PcfWindowKind,
        undefined,
        'incident',
        { spec: { freeze: [period] } },
        { fieldManager: 'test' },
      );
    await cluster.patch(namespace, { canaryWeight: 40 });
    await eventually('the weight is held again', async () => (await status()).reason === 'WindowClosed');
    await freeze({ end: new Date(Date.now() + 2_000).toISOString() });
    // No event follows, and there is no resync.
    await awaitWeight(40);
    await freeze({ reason: 'INC-4712' });
    await eventually('the next freeze', async () => (await status()).windows?.state === 'Closed');

    const { update, startedAt } = (await status()).delivery!;
    const annotations = { 'pcf.dev/abort': `${update}@${startedAt}` };
    await client.patch(PcfApiKind, namespace, 'api', { metadata: { annotations } });
    await eventually('the abort', async () => (await status()).reason === 'AbortRequested');
    await awaitWeight(0);
    await client.delete(PcfWindowKind, undefined, 'incident');
    await cluster.patch(namespace, { image: 'registry.example.com/pcf-api:1.0.0' });
    const isSettled = ({ phase, windows }: Status) => phase === 'Ready' && windows === undefined;
    await eventually('no window applies', async () => isSettled(await status()));
  });

  it('writes nothing once all objects match the spec', async () => {
    let mark = cluster.audit.mark();
    let since = performance.now();
    await eventually('the operator has not written for 2 s', () => {
      if (cluster.audit.writesSince(mark).length > 0) {
        mark = cluster.audit.mark();
        since = performance.now();
      }
      return performance.now() - since > 2_000;
    });
    assert.deepEqual(cluster.audit.writesSince(mark).map(line), []);
  });
});
