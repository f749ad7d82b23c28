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
  PodDisruptionBudgetKind,
  ReferenceGrantKind,
  ServiceAccountKind,
  ServiceKind,
  ServiceMonitorKind,
  VerticalPodAutoscalerKind,
  VirtualServiceKind,
} from '../../../operator/resources/kinds.js';
import type { ResourceType } from '../../../operator/runtime/kube-client.js';
import { line } from '../../support/audit-log.js';
import { type AuditedCluster, sharedAuditedCluster } from '../../support/audited-cluster.js';
import { bereave, EVERY_KIND, meddle, notesOf, ownedOf } from '../../support/drift.js';
import { eventually } from '../../support/pcf-api.js';
import { START_TIMEOUT_MS } from '../../support/sandbox.js';

const INSTANCE = 'app.kubernetes.io/instance';
const LABELS = { metadata: { labels: { 'app.kubernetes.io/name': 'meddled' } } };
const elsewhere = 'elsewhere.example.com';

/** An edit of each kind, of a field that the operator decides, and where to find one. */
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
  // What else they hold can't be changed, by anyone.
  [ConfigMapKind, 'drift-istio', LABELS],
  [ControllerRevisionKind, 'drift-istio', LABELS],
  [ServiceAccountKind, 'drift-istio', LABELS],
];

/** The field that an edit changes, as Events name it: `spec.replicas`. */
function fieldOf(patch: object): string {
  const [section, fields] = Object.entries(patch)[0] as [string, object];
  return `${section}\\.${Object.keys(fields)[0]}`;
}

interface Status {
  phase: string;
  stableRevision: string;
  traffic?: { effectiveWeight: number };
}

describe('an object that belongs to a PcfApi', function () {
  this.timeout(60_000);
  let cluster: AuditedCluster;

  before(async function () {
    this.timeout(START_TIMEOUT_MS);
    cluster = await sharedAuditedCluster();
    // Without a resync: what is repaired is repaired because of the edit.
    await cluster.operator('operator', { args: ['--resync', '0'] });
    await Promise.all(
      Object.entries(EVERY_KIND).map(async ([name, spec]) => {
        const namespace = await cluster.namespace(`drift-${name}`);
        await cluster.ready(await cluster.create(namespace, spec));
      }),
    );
  });
  after(() => cluster?.clear());

  it('is of a kind that is tried here', () => {
    const tried = [...edits.map(([type]) => type), JobKind];
    assert.deepEqual(new Set(tried), new Set(OWNED_KINDS));
  });

  for (const [type, namespace, patch] of edits) {
    it(`is put back within a second when somebody edits it, with an Event that names them: ${type.kind}`, async () => {
      const before = await ownedOf(cluster, type, namespace);
      const manager = `meddler-${type.plural}`;
      const tookMs = await meddle(cluster, type, before, { patch, manager });
      assert.ok(tookMs < 1_000, `it took ${Math.round(tookMs)} ms`);
      const said = new RegExp(
        `${type.kind} ${before.metadata.name}: .*${fieldOf(patch)}.* was changed by ${manager} and reverted`,
      );
      await eventually('an Event names them', async () => said.test(await notesOf(cluster, namespace)));
    });

    it(`is made again within a second when somebody deletes it: ${type.kind}`, async () => {
      const tookMs = await bereave(cluster, type, await ownedOf(cluster, type, namespace));
      assert.ok(tookMs < 1_000, `it took ${Math.round(tookMs)} ms`);
    });
  }

  for (const [what, labels] of [
    ['loses the labels it is known by', { [INSTANCE]: null, 'app.kubernetes.io/managed-by': null }],
    ['is labelled as of another PcfApi', { [INSTANCE]: 'another' }],
  ] as const) {
    it(`is found and put back when it ${what}`, async () => {
      const before = await ownedOf(cluster, NetworkPolicyKind, 'drift-istio');
      const edit = { patch: { metadata: { labels } }, manager: 'labeller' };
      const tookMs = await meddle(cluster, NetworkPolicyKind, before, edit);
      assert.ok(tookMs < 1_000, `it took ${Math.round(tookMs)} ms`);
    });
  }

  it('is put back after a write to its scale subresource, with an Event that names that manager', async () => {
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
    await meddle(cluster, DeploymentKind, before, edit);
    await eventually('an Event names it', async () =>
      new RegExp(`Deployment ${name}: spec\\.replicas was changed by autoscaler`).test(
        await notesOf(cluster, namespace),
      ),
    );
    assert.doesNotMatch(await notesOf(cluster, namespace), /changed by innocent/);
  });

  it('keeps what others added to it', async () => {
    const { client } = cluster;
    const { metadata } = await ownedOf(cluster, DeploymentKind, 'drift-istio');
    const annotations = { 'example.com/owner': 'payments' };
    const patch = { metadata: { annotations }, spec: { replicas: 7 } };
    await client.patch(DeploymentKind, metadata.namespace, metadata.name, patch, { fieldManager: 'both' });
    const live = async () => client.get(DeploymentKind, metadata.namespace, metadata.name);
    await eventually('replicas are put back', async () => {
      const { spec } = await live();
      return (spec as { replicas: number }).replicas === 2;
    });
    assert.equal((await live()).metadata.annotations?.['example.com/owner'], 'payments');
  });

  it('is a Job: made again when it is deleted, found when it loses its labels, and run once all the same', async () => {
    const namespace = await cluster.namespace('drift-job');
    const { client, sandbox } = cluster;
    // Without room for a pod the Job is there and does not run.
    await sandbox.parts.kubectl.run(['create', 'quota', 'full', '--hard=pods=0', '-n', namespace]);
    const watch = await cluster.create(namespace);
    await watch.until('Migrating', (api) => api?.status?.reason === 'Migrating', 20_000);
    const jobs = async () => (await client.list(JobKind, { namespace })).items;
    await eventually('there is a Job', async () => (await jobs()).length === 1);

    const backMs = await bereave(cluster, JobKind, (await jobs())[0]!);
    assert.ok(backMs < 1_000, `it took ${Math.round(backMs)} ms`);

    const before = await ownedOf(cluster, JobKind, namespace);
    const labels = { [INSTANCE]: null, 'pcf.dev/revision': 'another' };
    const edit = { patch: { metadata: { labels } }, manager: 'labeller' };
    const foundMs = await meddle(cluster, JobKind, before, edit);
    assert.ok(foundMs < 1_000, `it took ${Math.round(foundMs)} ms`);
    await eventually('an Event names them', async () =>
      /Job .* was changed by labeller/.test(await notesOf(cluster, namespace)),
    );

    await sandbox.parts.kubectl.run(['delete', 'quota', 'full', '-n', namespace]);
    await cluster.ready(watch);
    assert.equal((await jobs()).length, 1);
  });

  it('is the record of the stable revision: made again in the middle of a delivery, and no request goes elsewhere meanwhile', async () => {
    const namespace = 'drift-istio';
    const { client } = cluster;
    const deployment = await ownedOf(cluster, DeploymentKind, namespace);
    const stable = deployment.metadata.name;
    await cluster.patch(namespace, { image: 'registry.example.com/pcf-api:2.0.0', canaryWeight: 10 });
    const status = async () => (await client.get(PcfApiKind, namespace, 'api')).status as Status;
    await eventually('10 %', async () => (await status()).traffic?.effectiveWeight === 10, 30_000);
    const mark = cluster.audit.mark();

    const record = await client.get(ControllerRevisionKind, namespace, stable);
    const tookMs = await bereave(cluster, ControllerRevisionKind, record);
    assert.ok(tookMs < 1_000, `it took ${Math.round(tookMs)} ms`);
    const again = await client.get(ControllerRevisionKind, namespace, stable);
    assert.equal((again.data as { image: string }).image, 'registry.example.com/pcf-api:1.0.0');

    const { uid, generation } = (await client.get(DeploymentKind, namespace, stable)).metadata;
    assert.deepEqual([uid, generation], [deployment.metadata.uid, deployment.metadata.generation]);
    const weights = cluster.audit
      .writesSince(mark)
      .filter(({ objectRef }) => objectRef?.resource === 'virtualservices');
    assert.deepEqual(weights.map(line), [], 'the route stays');
    assert.equal((await status()).traffic?.effectiveWeight, 10);
    await cluster.patch(namespace, { image: 'registry.example.com/pcf-api:1.0.0' });
    await eventually('it went back', async () => (await status()).phase === 'Ready', 30_000);
    assert.equal((await status()).stableRevision, stable);
  });

  it('is written no more once all is as it should be', async () => {
    let mark = cluster.audit.mark();
    let since = performance.now();
    await eventually(
      'the operator comes to rest',
      () => {
        if (cluster.audit.writesSince(mark).length > 0) {
          mark = cluster.audit.mark();
          since = performance.now();
        }
        return performance.now() - since > 2_000;
      },
      30_000,
    );
    assert.deepEqual(cluster.audit.writesSince(mark).map(line), []);
  });
});
