import assert from 'node:assert/strict';
import {
  ControllerRevisionKind,
  DeploymentKind,
  OWNED_KINDS,
  PcfApiKind,
  PodKind,
  VirtualServiceKind,
} from '../../../operator/resources/kinds.js';
import type { OperatorProcess } from '../../../sandbox/operator-process.js';
import type { PcfApiWatch } from '../../../sandbox/story/pcfapi-watch.js';
import { line } from '../../support/cluster/audit-log.js';
import {
  type AuditedCluster,
  metric,
  metricsText,
  sharedAuditedCluster,
} from '../../support/cluster/audited-cluster.js';
import { EVERY_KIND, editAndAwaitRepair, ownedOf } from '../../support/cluster/drift.js';
import { kubectlPcf } from '../../support/cluster/kubectl-pcf.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { START_TIMEOUT_MS } from '../../support/cluster/sandbox.js';

describe('the operator with a PcfApi in steady state', () => {
  const namespace = 'steady';
  let cluster: AuditedCluster;
  let operator: OperatorProcess;
  let watch: PcfApiWatch;

  before(async function () {
    this.timeout(START_TIMEOUT_MS);
    cluster = await sharedAuditedCluster();
    operator = await cluster.operator('operator', { args: ['--resync', '1s'] });
    await cluster.namespace(namespace);
    watch = await cluster.create(namespace, {
      replicas: 2,
      network: { policy: true },
      availability: { podDisruptionBudget: { maxUnavailable: 1 } },
    });
    await cluster.ready(watch);
  });
  after(() => cluster?.clear());

  /** Waits until the operator has not written for 1 s. */
  async function awaitNoWrites(): Promise<void> {
    let mark = cluster.audit.mark();
    let since = performance.now();
    await eventually('the operator has not written for 1 s', () => {
      if (cluster.audit.writesSince(mark).length > 0) {
        mark = cluster.audit.mark();
        since = performance.now();
      }
      return performance.now() - since > 1_000;
    });
  }

  it('created the PcfApi with one write per object, two of its record, and at most four statuses', async () => {
    await awaitNoWrites();
    const own = cluster.audit.writesSince(0).filter(({ objectRef }) => objectRef?.namespace === namespace);
    const counts = new Map<string, number>();
    for (const { verb, objectRef } of own) {
      const resource = [objectRef?.resource, objectRef?.subresource].filter(Boolean).join('/');
      const request = `${verb} ${resource}`;
      counts.set(request, (counts.get(request) ?? 0) + 1);
    }
    const statuses = counts.get('patch pcfapis/status') ?? 0;
    counts.delete('patch pcfapis/status');
    assert.deepEqual(Object.fromEntries([...counts].sort()), {
      'create events': 2,
      'patch configmaps': 1,
      'patch controllerrevisions': 2,
      'patch deployments': 1,
      'patch destinationrules': 1,
      'patch jobs': 1,
      'patch networkpolicies': 1,
      'patch pcfapis': 1,
      'patch poddisruptionbudgets': 1,
      'patch serviceaccounts': 1,
      'patch services': 2,
      'patch virtualservices': 1,
    });
    // Migrations started, pods started, the first pod serves, promoted.
    assert.ok(statuses <= 4, `${statuses} statuses`);
  });

  it('writes nothing during several resyncs of PcfApis with every feature, as the audit log shows', async () => {
    const { client } = cluster;
    const specs = Object.entries(EVERY_KIND);
    const others = await Promise.all(
      specs.map(async ([name, spec]) => {
        const other = await cluster.create(await cluster.namespace(`steady-${name}`), spec);
        await cluster.ready(other);
        return other;
      }),
    );
    for (const type of OWNED_KINDS) {
      const { items } = await client.list(type, {
        labelSelector: 'app.kubernetes.io/managed-by=pcf-operator',
      });
      assert.ok(items.length > 0, `a ${type.kind} exists`);
    }
    await awaitNoWrites();
    const mark = cluster.audit.mark();
    // An annotation of another field manager triggers a reconcile.
    const { metadata } = await ownedOf(cluster, DeploymentKind, namespace);
    const note = { metadata: { annotations: { 'example.com/note': 'hello' } } };
    await client.patch(DeploymentKind, namespace, metadata.name, note, { fieldManager: 'somebody' });
    const reconciles = () => metric(operator, /^controller_runtime_reconcile_total\{/);
    const before = await reconciles();
    const four = 4 * (1 + specs.length);
    await eventually('four resyncs of each', async () => (await reconciles()) >= before + four);
    assert.deepEqual(cluster.audit.writesSince(mark).map(line), []);
    assert.ok(cluster.audit.since(mark).length > 0, 'the audit log shows the lease at least');

    for (const [name] of specs) await client.delete(PcfApiKind, `steady-${name}`, 'api');
    await Promise.all(
      others.map((other) => other.until('the PcfApi is deleted', (api) => api === undefined)),
    );
  });

  it('excludes Secrets of Helm releases from its requests', () => {
    const secretRequests = cluster.audit.since().filter(({ objectRef }) => objectRef?.resource === 'secrets');
    assert.ok(secretRequests.length > 0);
    for (const { requestURI } of secretRequests) {
      const { searchParams } = new URL(requestURI, 'https://api-server');
      assert.equal(searchParams.get('fieldSelector'), 'type!=helm.sh/release.v1', requestURI);
    }
  });

  it('exports metrics of repairs, weights, phase, revisions and migration', async () => {
    const deployment = await ownedOf(cluster, DeploymentKind, namespace);
    await editAndAwaitRepair(cluster, DeploymentKind, deployment, {
      patch: { spec: { replicas: 4 } },
      manager: 'meddler',
    });
    const repairs = () => metric(operator, /^pcf_drift_repairs_total\{.*kind="Deployment"/);
    await eventually('the repair was counted', async () => (await repairs()) === 1);
    const text = await metricsText(operator);
    const series = `{namespace="${namespace}",name="api"`;
    for (const sample of [
      `pcf_drift_repairs_total${series},kind="Deployment"} 1`,
      `pcf_desired_weight${series}} `,
      `pcf_effective_weight${series}} `,
      `pcf_revisions${series}} 1`,
      `pcf_phase${series},phase="Ready"} 1`,
      `pcf_migration_state${series},state="Succeeded"} 1`,
      `pcf_migration_duration_seconds_count ${1 + Object.keys(EVERY_KIND).length}`,
      'leader_election_master_status{name="pcf-operator"} 1',
      'controller_runtime_max_concurrent_reconciles{controller="pcfapi"} 8',
      'workqueue_depth{name="pcfapi",controller="pcfapi",priority="high"} 0',
    ]) {
      assert.ok(text.includes(sample), `${sample} is missing`);
    }
    assert.match(text, /^rest_client_requests_total\{method="PATCH",code="20[01]",host="https:.*"\} \d+$/m);
  });

  it('measures the time from an edit of the weight to the route', async () => {
    await cluster.patch(namespace, { image: 'registry.example.com/pcf-api:1.1.0', canaryWeight: 10 });
    await watch.until('10 %', (api) => api?.status?.traffic?.effectiveWeight === 10);
    await awaitNoWrites();
    const count = () => metric(operator, /^pcf_spec_edit_to_route_seconds_count/);
    const sum = () => metric(operator, /^pcf_spec_edit_to_route_seconds_sum/);
    const [countBefore, sumBefore] = [await count(), await sum()];
    await cluster.patch(namespace, { canaryWeight: 20 });
    await watch.until('20 %', (api) => api?.status?.traffic?.effectiveWeight === 20);
    await eventually('the edit was measured', async () => (await count()) === countBefore + 1);
    const tookMs = ((await sum()) - sumBefore) * 1000;
    assert.ok(tookMs > 0 && tookMs < 1_000, `${tookMs} ms`);
    await cluster.patch(namespace, { canaryWeight: 100 });
    await cluster.ready(watch);
  });

  it('reports RepairLoop and delays its repairs when another controller reverts them, and repairs after it stops', async () => {
    await awaitNoWrites();
    const live = await ownedOf(cluster, VirtualServiceKind, namespace);
    const { name } = live.metadata;
    const conflictingEdit = { spec: { hosts: ['conflict.example.com'] } };
    let isConflicting = true;
    let rounds = 0;
    const other = (async () => {
      while (isConflicting) {
        const now = await cluster.client.get(VirtualServiceKind, namespace, name);
        if ((now.spec as { hosts: string[] }).hosts[0] !== 'conflict.example.com') {
          rounds += 1;
          const manager = { fieldManager: 'other-controller' };
          await cluster.client.patch(VirtualServiceKind, namespace, name, conflictingEdit, manager);
        }
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })();
    const degraded = () => watch.now()?.status?.conditions?.find(({ type }) => type === 'Degraded');
    await watch.until('Degraded', () => degraded()?.reason === 'RepairLoop');
    assert.match(
      degraded()?.message ?? '',
      /other-controller reverts each repair of spec\.hosts.* of VirtualService api/,
    );
    const before = rounds;
    await new Promise((resolve) => setTimeout(resolve, 3_000)); // time for many repairs without the delay
    isConflicting = false;
    await other;
    assert.ok(rounds - before <= 3, `${rounds - before} repairs in 3 s`);
    await eventually(
      'the route is repaired',
      async () => {
        const now = await cluster.client.get(VirtualServiceKind, namespace, name);
        return (now.spec as { hosts: string[] }).hosts[0] === `${namespace}.example.com`;
      },
      35_000,
    );
  });

  it('does not change pods that an older operator version rendered until kubectl pcf adopt', async () => {
    const upgraded = await cluster.namespace('upgraded');
    const upgradedWatch = await cluster.create(upgraded);
    await cluster.ready(upgradedWatch);
    await operator.stop();
    // Simulates an older operator version: another pod template in the Deployment and the ControllerRevision.
    const { client } = cluster;
    const record = await ownedOf(cluster, ControllerRevisionKind, upgraded);
    const { name, labels, annotations, ownerReferences } = record.metadata;
    const { template, ...rest } = record.data as { template: { spec: object } };
    const older = { ...template, spec: { ...template.spec, terminationGracePeriodSeconds: 31 } };
    await client.delete(ControllerRevisionKind, upgraded, name);
    await client.create(ControllerRevisionKind, {
      ...record,
      metadata: { name, namespace: upgraded, labels, annotations, ownerReferences },
      data: { ...rest, template: older },
    });
    const { kubectl } = cluster.sandbox.parts;
    const spec = { template: { spec: { terminationGracePeriodSeconds: 31 } } };
    await client.patch(DeploymentKind, upgraded, name, { spec }, { fieldManager: 'pcf-operator' });
    await kubectl.run(['rollout', 'status', `deployment/${name}`, '-n', upgraded, '--timeout=30s']);
    const pods = async () => {
      const labelSelector = 'app.kubernetes.io/component=api';
      const { items } = await client.list(PodKind, { namespace: upgraded, labelSelector });
      return items.flatMap(({ metadata }) => (metadata.deletionTimestamp ? [] : [metadata.uid])).sort();
    };
    const before = await pods();

    await operator.restart();
    const reconciles = () =>
      metric(operator, /^controller_runtime_reconcile_total\{.*result="(success|requeue_after)"/);
    await eventually('every PcfApi is reconciled twice', async () => (await reconciles()) >= 6);
    const deployment = await client.get(DeploymentKind, upgraded, name);
    assert.equal(
      (deployment.spec as typeof spec).template.spec.terminationGracePeriodSeconds,
      31,
      'the pod template is unchanged',
    );
    assert.deepEqual(await pods(), before, 'no pod is restarted');
    const at = ['api', '-n', upgraded];
    const { out } = await kubectlPcf(cluster.sandbox, ['status', ...at]);
    assert.match(out, /This operator version renders pods differently\. .* kubectl pcf adopt api/);

    const adopted = await kubectlPcf(cluster.sandbox, ['adopt', ...at]);
    assert.match(adopted.out, /delivers api-\w+ again with the current pod template/, adopted.problems);
    await upgradedWatch.until('another revision', (api) => (api?.status?.stableRevision ?? name) !== name);
    await cluster.ready(upgradedWatch);
    const { stableRevision = '' } = upgradedWatch.now()?.status ?? {};
    const fresh = await client.get(DeploymentKind, upgraded, stableRevision);
    assert.equal((fresh.spec as typeof spec).template.spec.terminationGracePeriodSeconds, 45);
    assert.doesNotMatch(
      (await kubectlPcf(cluster.sandbox, ['status', ...at])).out,
      /renders pods differently/,
    );
    assert.match(
      (await kubectlPcf(cluster.sandbox, ['adopt', ...at])).problems,
      /are up to date with this operator version/,
    );
    const undone = await kubectlPcf(cluster.sandbox, ['undo', ...at]);
    assert.match(undone.out, /rolls back to revision 1, \S+:1\.0\.0\n$/, undone.problems);
    await upgradedWatch.until(
      'the previous revision is stable again',
      (api) => api?.status?.stableRevision === name,
    );
  });
});
