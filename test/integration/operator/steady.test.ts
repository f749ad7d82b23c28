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
import { line } from '../../support/audit-log.js';
import {
  type AuditedCluster,
  metric,
  metricsText,
  sharedAuditedCluster,
} from '../../support/audited-cluster.js';
import { EVERY_KIND, meddle, ownedOf } from '../../support/drift.js';
import { kubectlPcf } from '../../support/kubectl-pcf.js';
import { eventually } from '../../support/pcf-api.js';
import { START_TIMEOUT_MS } from '../../support/sandbox.js';

describe('the operator beside a PcfApi that is as it should be', function () {
  this.timeout(120_000);
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

  it("writes nothing over several resyncs, whatever was asked for, by the API server's own audit log", async () => {
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
      assert.ok(items.length > 0, `there is a ${type.kind}`);
    }
    await quiet();
    const mark = cluster.audit.mark();
    // Something happens that is none of its business, and makes it look.
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
    await Promise.all(others.map((other) => other.until('gone', (api) => api === undefined)));
  });

  it('asks for no Secret that Helm keeps its releases in', () => {
    const asked = cluster.audit.since().filter(({ objectRef }) => objectRef?.resource === 'secrets');
    assert.ok(asked.length > 0);
    for (const { requestURI } of asked) {
      const { searchParams } = new URL(requestURI, 'https://api-server');
      assert.equal(searchParams.get('fieldSelector'), 'type!=helm.sh/release.v1', requestURI);
    }
  });

  it('tells of the repairs, the weights, the phase, the revisions and the migration in its metrics', async () => {
    const deployment = await ownedOf(cluster, DeploymentKind, namespace);
    await meddle(cluster, DeploymentKind, deployment, {
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

  it('slows down and says so when another controller undoes each repair, and continues once it gives up', async () => {
    await quiet();
    const live = await ownedOf(cluster, VirtualServiceKind, namespace);
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

  it('is left as an older operator rendered it, until that is adopted', async () => {
    const upgraded = await cluster.namespace('upgraded');
    const seen = await cluster.create(upgraded);
    await cluster.ready(seen);
    await operator.stop();
    // What an older operator would have left behind: other pods, and a record that says so.
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
    await eventually('it has looked at all there is, twice', async () => (await reconciles()) >= 6);
    const deployment = await client.get(DeploymentKind, upgraded, name);
    assert.equal(
      (deployment.spec as typeof spec).template.spec.terminationGracePeriodSeconds,
      31,
      'as it was rendered',
    );
    assert.deepEqual(await pods(), before, 'no pod is restarted');
    const at = ['api', '-n', upgraded];
    const { out } = await kubectlPcf(cluster.sandbox, ['status', ...at]);
    assert.match(out, /This operator renders pods differently; .* kubectl pcf adopt api/);

    const adopted = await kubectlPcf(cluster.sandbox, ['adopt', ...at]);
    assert.match(adopted.out, /renders the pods of api-\w+ again/, adopted.problems);
    await seen.until('another revision', (api) => (api?.status?.stableRevision ?? name) !== name, 30_000);
    await cluster.ready(seen);
    const { stableRevision = '' } = seen.now()?.status ?? {};
    const fresh = await client.get(DeploymentKind, upgraded, stableRevision);
    assert.equal((fresh.spec as typeof spec).template.spec.terminationGracePeriodSeconds, 45);
    assert.doesNotMatch(
      (await kubectlPcf(cluster.sandbox, ['status', ...at])).out,
      /renders pods differently/,
    );
    assert.match(
      (await kubectlPcf(cluster.sandbox, ['adopt', ...at])).problems,
      /are as this version renders them/,
    );
    const undone = await kubectlPcf(cluster.sandbox, ['undo', ...at]);
    assert.match(undone.out, /rolls back to revision 1, \S+:1\.0\.0\n$/, undone.problems);
    await seen.until('as before', (api) => api?.status?.stableRevision === name, 30_000);
  });
});
