import assert from 'node:assert/strict';
import {
  ConfigMapKind,
  ControllerRevisionKind,
  DeploymentKind,
  DestinationRuleKind,
  NetworkPolicyKind,
  PodDisruptionBudgetKind,
  ServiceAccountKind,
  ServiceKind,
  VirtualServiceKind,
} from '../../../operator/resources/kinds.js';
import type { KubeObject, ResourceType } from '../../../operator/runtime/kube-client.js';
import type { OperatorProcess } from '../../../sandbox/operator-process.js';
import type { PcfApiWatch } from '../../../sandbox/story/pcfapi-watch.js';
import { line } from '../../support/audit-log.js';
import { AuditedCluster, metric, metricsText } from '../../support/audited-cluster.js';
import { eventually } from '../../support/pcf-api.js';
import { START_TIMEOUT_MS } from '../../support/sandbox.js';

const LABELS = { metadata: { labels: { 'app.kubernetes.io/name': 'meddled' } } };

/** An edit of each kind that the operator owns, of a field that it decides. */
const edits: [ResourceType, object][] = [
  [DeploymentKind, { spec: { replicas: 4 } }],
  [VirtualServiceKind, { spec: { hosts: ['elsewhere.example.com'] } }],
  [DestinationRuleKind, { spec: { host: 'elsewhere' } }],
  [ServiceKind, { spec: { selector: { 'app.kubernetes.io/instance': 'other' } } }],
  [NetworkPolicyKind, { spec: { policyTypes: ['Ingress'] } }],
  [PodDisruptionBudgetKind, { spec: { maxUnavailable: 0 } }],
  // What else they hold can't be changed, by anyone.
  [ConfigMapKind, LABELS],
  [ControllerRevisionKind, LABELS],
  [ServiceAccountKind, LABELS],
];

describe('the operator beside a PcfApi that is as it should be', function () {
  this.timeout(120_000);
  const namespace = 'steady';
  let cluster: AuditedCluster;
  let operator: OperatorProcess;
  let watch: PcfApiWatch;

  before(async function () {
    this.timeout(START_TIMEOUT_MS);
    cluster = await AuditedCluster.start('.sandbox/test-steady');
    operator = await cluster.operator('operator', { args: ['--resync', '1s'] });
    await cluster.namespace(namespace);
    watch = await cluster.create(namespace, {
      replicas: 2,
      network: { policy: true },
      availability: { podDisruptionBudget: { maxUnavailable: 1 } },
    });
    await cluster.ready(watch);
  });
  after(() => cluster?.stop());

  const owned = async (type: ResourceType): Promise<KubeObject | undefined> => {
    const labelSelector = 'app.kubernetes.io/instance=api,app.kubernetes.io/managed-by=pcf-operator';
    return (await cluster.client.list(type, { namespace, labelSelector })).items[0];
  };
  const notes = () =>
    cluster.sandbox.parts.kubectl.run([
      'get',
      'events',
      '-n',
      namespace,
      '-o',
      'jsonpath={.items[*].message}',
    ]);

  /** Resolves when the operator has not written for a second. */
  async function quiet(): Promise<void> {
    let mark = cluster.audit.mark();
    let since = performance.now();
    await eventually('the operator comes to rest', () => {
      if (cluster.audit.writesSince(mark).length > 0) {
        mark = cluster.audit.mark();
        since = performance.now();
      }
      return performance.now() - since > 1_000;
    });
  }

  it("writes nothing over several resyncs, by the API server's own audit log", async () => {
    await quiet();
    const mark = cluster.audit.mark();
    const reconciles = () => metric(operator, /^controller_runtime_reconcile_total\{/);
    const before = await reconciles();
    await eventually('four resyncs', async () => (await reconciles()) >= before + 4);
    assert.deepEqual(cluster.audit.writesSince(mark).map(line), []);
    assert.ok(cluster.audit.since(mark).length > 0, 'the audit log shows the lease at least');
  });

  for (const [type, patch] of edits) {
    it(`puts back a ${type.kind} within a second and names who changed it`, async () => {
      const before = await owned(type);
      assert.ok(before, `there is a ${type.kind}`);
      const { name } = before.metadata;
      const manager = `meddler-${type.plural}`;
      const changed = await cluster.client.patch(type, namespace, name, patch, { fieldManager: manager });
      const from = performance.now();
      assert.notDeepEqual(essence(changed), essence(before), 'the edit changes something');
      await eventually('it is as it was', async () => {
        const live = await cluster.client.get(type, namespace, name);
        return JSON.stringify(essence(live)) === JSON.stringify(essence(before));
      });
      assert.ok(performance.now() - from < 1_000, `it took ${Math.round(performance.now() - from)} ms`);
      const said = new RegExp(`${type.kind} ${name}: .* was changed by ${manager} and put back`);
      await eventually('an Event names them', async () => said.test(await notes()));
    });
  }

  it('tells of the repairs, the weights, the phase, the revisions and the migration in its metrics', async () => {
    const text = await metricsText(operator);
    const series = `{namespace="${namespace}",name="api"`;
    for (const sample of [
      `pcf_drift_repairs_total${series},kind="Deployment"} 1`,
      `pcf_desired_weight${series}} `,
      `pcf_effective_weight${series}} `,
      `pcf_revisions${series}} 1`,
      `pcf_phase${series},phase="Ready"} 1`,
      `pcf_migration_state${series},state="Succeeded"} 1`,
      'pcf_migration_duration_seconds_count 1',
      'leader_election_master_status{name="pcf-operator"} 1',
      'controller_runtime_max_concurrent_reconciles{controller="pcfapi"} 8',
      'workqueue_depth{name="pcfapi",controller="pcfapi",priority="high"} 0',
    ]) {
      assert.ok(text.includes(sample), `there is no ${sample}`);
    }
    assert.match(text, /^rest_client_requests_total\{method="PATCH",code="20[01]",host="https:.*"\} \d+$/m);
  });

  it('measures the time from an edit of the weight to the route', async () => {
    await cluster.patch(namespace, { image: 'registry.example.com/pcf-api:1.1.0', canaryWeight: 10 });
    await watch.until('10 %', (api) => api?.status?.traffic?.effectiveWeight === 10, 60_000);
    await quiet();
    const count = () => metric(operator, /^pcf_spec_edit_to_route_seconds_count/);
    const sum = () => metric(operator, /^pcf_spec_edit_to_route_seconds_sum/);
    const [countBefore, sumBefore] = [await count(), await sum()];
    await cluster.patch(namespace, { canaryWeight: 20 });
    await watch.until('20 %', (api) => api?.status?.traffic?.effectiveWeight === 20, 60_000);
    await eventually('it was counted', async () => (await count()) === countBefore + 1);
    const tookMs = ((await sum()) - sumBefore) * 1000;
    assert.ok(tookMs > 0 && tookMs < 1_000, `${tookMs} ms`);
    await cluster.patch(namespace, { canaryWeight: 100 });
    await cluster.ready(watch);
  });

  it('slows down and says so when another controller undoes each repair, and goes on once it gives up', async () => {
    await quiet();
    const live = (await owned(VirtualServiceKind))!;
    const { name } = live.metadata;
    const fight = { spec: { hosts: ['fought.example.com'] } };
    let fighting = true;
    let rounds = 0;
    const other = (async () => {
      while (fighting) {
        const now = await cluster.client.get(VirtualServiceKind, namespace, name);
        if ((now.spec as { hosts: string[] }).hosts[0] !== 'fought.example.com') {
          rounds += 1;
          const manager = { fieldManager: 'other-controller' };
          await cluster.client.patch(VirtualServiceKind, namespace, name, fight, manager);
        }
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })();
    const degraded = () => watch.now()?.status?.conditions?.find(({ type }) => type === 'Degraded');
    await watch.until('Degraded', () => degraded()?.reason === 'RepairLoop', 30_000);
    assert.match(
      degraded()?.message ?? '',
      /other-controller changes spec\.hosts.* of VirtualService api back/,
    );
    const before = rounds;
    await new Promise((resolve) => setTimeout(resolve, 3_000)); // time for many, were it not slowed down
    fighting = false;
    await other;
    assert.ok(rounds - before <= 3, `${rounds - before} repairs in 3 s`);
    await eventually(
      'the last word is ours',
      async () => {
        const now = await cluster.client.get(VirtualServiceKind, namespace, name);
        return (now.spec as { hosts: string[] }).hosts[0] === `${namespace}.example.com`;
      },
      35_000,
    );
  });
});

/** What the operator decides of an object. */
function essence({ metadata, spec, data }: KubeObject): object {
  return { labels: metadata.labels, spec, data };
}
