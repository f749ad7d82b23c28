import assert from 'node:assert/strict';
import { DeploymentKind, PcfApiKind, VirtualServiceKind } from '../../../operator/resources/kinds.js';
import type { KubeObject } from '../../../operator/runtime/kube-client.js';
import type { OperatorProcess } from '../../../sandbox/operator-process.js';
import type { PcfApiView } from '../../../sandbox/story/pcfapi-watch.js';
import type { AuditEvent } from '../../support/audit-log.js';
import { AuditedCluster, FAST_LEASE, metric } from '../../support/audited-cluster.js';
import { eventually } from '../../support/pcf-api.js';
import { START_TIMEOUT_MS } from '../../support/sandbox.js';
import { TcpProxy } from '../../support/tcp-proxy.js';

describe('two replicas of the operator', function () {
  this.timeout(120_000);
  let cluster: AuditedCluster;
  let leader: OperatorProcess;
  let standby: OperatorProcess;
  let proxy: TcpProxy;
  let namespaces = 0;

  before(async function () {
    this.timeout(START_TIMEOUT_MS);
    cluster = await AuditedCluster.start('.sandbox/test-replicas', ['istio']);
  });
  after(() => cluster?.stop());

  beforeEach(async () => {
    proxy = await TcpProxy.before(cluster.sandbox.parts.cluster.server);
    leader = await cluster.operator('leader', { args: FAST_LEASE, server: proxy.url });
    await eventually('the first leads', () => leads(leader));
    standby = await cluster.operator('standby', { args: FAST_LEASE });
  });
  afterEach(async () => {
    await cluster.stopOperators();
    await proxy.close();
  });

  const leads = async (operator: OperatorProcess) =>
    (await metric(operator, /^leader_election_master_status/)) === 1;

  /** A PcfApi that only the one who leads can bring to Ready. */
  async function works(): Promise<void> {
    const namespace = await cluster.namespace(`replicas-${++namespaces}`);
    await cluster.ready(await cluster.create(namespace));
  }

  /** Who wrote, one after another: each operator's requests carry its identity. */
  const writers = (events: AuditEvent[]) => [...new Set(events.map(({ userAgent }) => userAgent))];

  it('have a standby that looks at what it saw before only after what is asked for when it leads', async () => {
    await works();
    const depth = (lane: string) => metric(standby, new RegExp(`^workqueue_depth\\{.*priority="${lane}"`));
    await eventually('it has seen the PcfApi', async () => (await depth('low')) > 0);
    // All but the edit of a spec: what its pods, endpoints and Secrets did is in the lane of a resync.
    assert.equal(await depth('high'), 0);
  });

  it('continue when the leader is killed', async () => {
    const mark = cluster.audit.mark();
    await works();
    assert.equal(writers(cluster.audit.writesSince(mark)).length, 1, 'one of them writes');
    await leader.kill();
    await eventually('the standby leads', () => leads(standby), 20_000);
    await works();
    assert.equal(writers(cluster.audit.writesSince(mark)).length, 2);
  });

  it('have one that was paused and comes back write nothing', async () => {
    const mark = cluster.audit.mark();
    await works();
    const [old] = writers(cluster.audit.writesSince(mark));
    // The Event of the promotion follows Ready: a request that has left its hands can't be taken back.
    const events = () =>
      cluster.audit.writesSince(mark).filter(({ objectRef }) => objectRef?.resource === 'events');
    await eventually('it has said its last word', () => events().length === 2);
    leader.signal('SIGSTOP');
    await eventually('the standby leads', () => leads(standby), 20_000);
    // Work that the one who slept would do too, were it to continue where it stood.
    const [deployment] = (await cluster.client.list(DeploymentKind, { namespace: `replicas-${namespaces}` }))
      .items;
    const { name, namespace } = deployment!.metadata;
    await cluster.client.patch(DeploymentKind, namespace, name, { spec: { replicas: 5 } });
    const resumedAt = cluster.audit.mark();
    leader.signal('SIGCONT');
    const { code } = await leader.exited;
    assert.equal(code, 1, 'it leaves, for its supervisor to start it again');
    await works();
    assert.ok(!writers(cluster.audit.writesSince(resumedAt)).includes(old), 'it wrote nothing any more');
    assert.match(leader.lastLines(30), /the lease was lost/);
  });

  it('have one that hears the API server too late step down before the other begins', async () => {
    const mark = cluster.audit.mark();
    await works();
    const [old] = writers(cluster.audit.writesSince(mark));
    const namespace = `replicas-${namespaces}`;
    // What it sends still arrives: were it to lead on, nothing but itself would keep it from writing.
    proxy.answerDelayMs = 3_500;
    await cluster.patch(namespace, { replicas: 2 });
    await eventually('the standby leads', () => leads(standby), 20_000);
    const { acquireTime } = await cluster.lease();
    await cluster.patch(namespace, { replicas: 3 });
    await works();
    assert.equal((await leader.exited).code, 1);
    const said = leader.lastLines(50).match(/^.*lost leadership.*$/m)?.[0] ?? '{}';
    const { time } = JSON.parse(said) as { time: string };
    assert.ok(Date.parse(time) < Date.parse(acquireTime), `${time} is before ${acquireTime}`);
    const later = cluster.audit.writesSince(mark);
    const firstOfNew = later.findIndex(({ userAgent }) => userAgent !== old);
    assert.ok(firstOfNew > 0);
    assert.ok(!writers(later.slice(firstOfNew)).includes(old), 'nobody writes after the other began');
  });

  it('have one that is cut off from the API server leave, and the other wait until its lease ran out', async () => {
    await works();
    const renewedAt = Date.parse((await cluster.lease()).renewTime);
    proxy.cut();
    const { code } = await leader.exited;
    assert.equal(code, 1);
    assert.ok(!(await leads(standby)), 'the standby waits for the lease to run out');
    await eventually('the standby leads', () => leads(standby), 20_000);
    const waitedMs = Date.parse((await cluster.lease()).acquireTime) - renewedAt;
    assert.ok(waitedMs >= 5_000, `it waited ${waitedMs} ms`);
    await works();
  });

  it('have a standby that does not lead by what it saw long ago, when its watches died without a word', async () => {
    await standby.stop();
    const other = await TcpProxy.before(cluster.sandbox.parts.cluster.server);
    const late = await cluster.operator('late', { args: FAST_LEASE, server: other.url });
    try {
      const namespace = await cluster.namespace(`replicas-${++namespaces}`);
      const watch = await cluster.create(namespace);
      await cluster.ready(watch);
      const weighs = (weight: number) =>
        watch.until(`${weight} %`, (api) => api?.status?.traffic?.effectiveWeight === weight, 30_000);
      await cluster.patch(namespace, { image: 'registry.example.com/pcf-api:1.1.0', canaryWeight: 20 });
      await weighs(20);
      other.muteOpenConnections();
      await cluster.patch(namespace, { canaryWeight: 60 });
      await weighs(60);
      await leader.kill();
      await eventually('the late one leads', () => leads(late), 20_000);
      const { metadata } = await cluster.client.get(PcfApiKind, namespace, 'api');
      const looked = () =>
        metric(late, /^controller_runtime_reconcile_total\{.*result="(success|requeue_after)"/);
      await eventually('it has looked', async () => (await looked()) > 0);
      const route = await cluster.client.get(VirtualServiceKind, namespace, 'api');
      assert.match(JSON.stringify(route.spec), /"weight":60/);
      const { status } = (await cluster.client.get(PcfApiKind, namespace, 'api')) as PcfApiView & KubeObject;
      assert.equal(status?.traffic?.effectiveWeight, 60);
      assert.equal(status?.observedGeneration, metadata.generation);
    } finally {
      await late.kill();
      await other.close();
    }
  });

  it('finish the reconcile that runs on SIGTERM, give the lease back, and leave in seconds', async () => {
    const namespace = await cluster.namespace(`replicas-${++namespaces}`);
    proxy.delayMs = 100; // so that a reconcile takes long enough to be met in the middle
    const mark = cluster.audit.mark();
    const watch = await cluster.create(namespace);
    await eventually('it is at work', () => cluster.audit.writesSince(mark).length >= 2);
    const [old] = writers(cluster.audit.writesSince(mark));
    const askedAt = performance.now();
    const { code } = await leader.stop();
    assert.equal(code, 0);
    assert.ok(performance.now() - askedAt < 6_000, 'it leaves in seconds');
    const ours = cluster.audit.since(mark).filter(({ userAgent }) => userAgent === old);
    const last = ours.filter(({ verb }) => verb !== 'watch').at(-1);
    assert.deepEqual([last?.verb, last?.objectRef?.resource], ['update', 'leases'], 'the lease goes last');
    assert.doesNotMatch(leader.lastLines(30), /reconcile failed/);
    await eventually('the standby leads', () => leads(standby), 4_000);
    await cluster.ready(watch);
  });
});
