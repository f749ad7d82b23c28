import assert from 'node:assert/strict';
import { DeploymentKind, PcfApiKind, VirtualServiceKind } from '../../../operator/resources/kinds.js';
import type { KubeObject } from '../../../operator/runtime/kube-client.js';
import type { OperatorProcess } from '../../../sandbox/operator-process.js';
import type { PcfApiView } from '../../../sandbox/story/pcfapi-watch.js';
import type { AuditEvent } from '../../support/cluster/audit-log.js';
import {
  type AuditedCluster,
  FAST_LEASE,
  metric,
  sharedAuditedCluster,
} from '../../support/cluster/audited-cluster.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { START_TIMEOUT_MS } from '../../support/cluster/sandbox.js';
import { TcpProxy } from '../../support/servers/tcp-proxy.js';

describe('the operator with two replicas', () => {
  let cluster: AuditedCluster;
  let leader: OperatorProcess;
  let standby: OperatorProcess;
  let proxy: TcpProxy;
  let namespaces = 0;

  before(async function () {
    this.timeout(START_TIMEOUT_MS);
    cluster = await sharedAuditedCluster();
  });
  after(async () => {
    await cluster?.operator('last', { args: FAST_LEASE }); // finalizes the PcfApis
    await cluster?.clear();
  });

  beforeEach(async () => {
    proxy = await TcpProxy.before(cluster.sandbox.parts.cluster.server);
    leader = await cluster.operator('leader', { args: FAST_LEASE, server: proxy.url });
    await eventually('the first replica leads', () => leads(leader));
    standby = await cluster.operator('standby', { args: FAST_LEASE });
  });
  afterEach(async () => {
    await cluster.stopOperators();
    await proxy.close();
  });

  const leads = async (operator: OperatorProcess) =>
    (await metric(operator, /^leader_election_master_status/)) === 1;

  /** Creates a PcfApi, which becomes Ready only with a working leader. */
  async function assertLeaderWorks(): Promise<void> {
    const namespace = await cluster.namespace(`replicas-${++namespaces}`);
    await cluster.ready(await cluster.create(namespace));
  }

  /** User agents in the order of their first request. Each replica has its own. */
  const writers = (events: AuditEvent[]) => [...new Set(events.map(({ userAgent }) => userAgent))];

  it('continues with the standby when the leader is killed', async () => {
    const mark = cluster.audit.mark();
    await assertLeaderWorks();
    assert.equal(writers(cluster.audit.writesSince(mark)).length, 1, 'only one replica writes');
    await leader.kill();
    await eventually('the standby leads', () => leads(standby), 20_000);
    await assertLeaderWorks();
    assert.equal(writers(cluster.audit.writesSince(mark)).length, 2);
  });

  it('does not write as a former leader that resumes after SIGSTOP', async () => {
    const mark = cluster.audit.mark();
    await assertLeaderWorks();
    const [old] = writers(cluster.audit.writesSince(mark));
    // The Event of the promotion is written after Ready, and a sent request cannot be canceled.
    const events = () =>
      cluster.audit.writesSince(mark).filter(({ objectRef }) => objectRef?.resource === 'events');
    await eventually('both Events are written', () => events().length === 2);
    leader.signal('SIGSTOP');
    await eventually('the standby leads', () => leads(standby), 20_000);
    // The paused replica would repair this edit too if it continued as leader.
    const [deployment] = (await cluster.client.list(DeploymentKind, { namespace: `replicas-${namespaces}` }))
      .items;
    const { name, namespace } = deployment!.metadata;
    await cluster.client.patch(DeploymentKind, namespace, name, { spec: { replicas: 5 } });
    const resumedAt = cluster.audit.mark();
    leader.signal('SIGCONT');
    const { code } = await leader.exited;
    assert.equal(code, 1, 'the process exits, so that its supervisor restarts it');
    await assertLeaderWorks();
    assert.ok(
      !writers(cluster.audit.writesSince(resumedAt)).includes(old),
      'the former leader wrote nothing',
    );
    assert.match(leader.lastLines(30), /lost the Lease/);
  });

  it('steps down as leader before the standby acquires the Lease when responses of the API server are too late', async () => {
    const mark = cluster.audit.mark();
    await assertLeaderWorks();
    const [old] = writers(cluster.audit.writesSince(mark));
    const namespace = `replicas-${namespaces}`;
    // Its requests still arrive, so only the leader itself can prevent further writes.
    proxy.answerDelayMs = 3_500;
    await cluster.patch(namespace, { replicas: 2 });
    await eventually('the standby leads', () => leads(standby), 20_000);
    const { acquireTime } = await cluster.lease();
    await cluster.patch(namespace, { replicas: 3 });
    await assertLeaderWorks();
    assert.equal((await leader.exited).code, 1);
    const logLine = leader.lastLines(50).match(/^.*lost leadership.*$/m)?.[0] ?? '{}';
    const { time } = JSON.parse(logLine) as { time: string };
    assert.ok(Date.parse(time) < Date.parse(acquireTime), `${time} is before ${acquireTime}`);
    const later = cluster.audit.writesSince(mark);
    const firstOfNew = later.findIndex(({ userAgent }) => userAgent !== old);
    assert.ok(firstOfNew > 0);
    assert.ok(
      !writers(later.slice(firstOfNew)).includes(old),
      'the former leader writes nothing after the first write of the new leader',
    );
  });

  it('exits as a leader without connection to the API server, and the standby waits until the Lease expires', async () => {
    await assertLeaderWorks();
    const renewedAt = Date.parse((await cluster.lease()).renewTime);
    proxy.cut();
    const { code } = await leader.exited;
    assert.equal(code, 1);
    assert.ok(!(await leads(standby)), 'the standby waits until the Lease expires');
    await eventually('the standby leads', () => leads(standby), 20_000);
    const waitedMs = Date.parse((await cluster.lease()).acquireTime) - renewedAt;
    assert.ok(waitedMs >= 5_000, `it waited ${waitedMs} ms`);
    await assertLeaderWorks();
  });

  it('does not apply stale state when a standby whose watches silently stopped becomes the leader', async () => {
    await standby.stop();
    const other = await TcpProxy.before(cluster.sandbox.parts.cluster.server);
    const late = await cluster.operator('late', { args: FAST_LEASE, server: other.url });
    try {
      const namespace = await cluster.namespace(`replicas-${++namespaces}`);
      const watch = await cluster.create(namespace);
      await cluster.ready(watch);
      const awaitWeight = (weight: number) =>
        watch.until(`${weight} %`, (api) => api?.status?.traffic?.effectiveWeight === weight, 30_000);
      await cluster.patch(namespace, { image: 'registry.example.com/pcf-api:1.1.0', canaryWeight: 20 });
      await awaitWeight(20);
      other.muteOpenConnections();
      await cluster.patch(namespace, { canaryWeight: 60 });
      await awaitWeight(60);
      await leader.kill();
      await eventually('the late standby leads', () => leads(late), 20_000);
      const { metadata } = await cluster.client.get(PcfApiKind, namespace, 'api');
      const countReconciles = () =>
        metric(late, /^controller_runtime_reconcile_total\{.*result="(success|requeue_after)"/);
      await eventually('the late standby has reconciled', async () => (await countReconciles()) > 0);
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

  it('finishes the running reconcile on SIGTERM, releases the Lease, and exits within 6 s', async () => {
    const namespace = await cluster.namespace(`replicas-${++namespaces}`);
    proxy.delayMs = 100; // so that SIGTERM arrives during a reconcile
    const mark = cluster.audit.mark();
    const watch = await cluster.create(namespace);
    await eventually('the leader writes', () => cluster.audit.writesSince(mark).length >= 2);
    const [old] = writers(cluster.audit.writesSince(mark));
    const stoppedAt = performance.now();
    const { code } = await leader.stop();
    assert.equal(code, 0);
    assert.ok(performance.now() - stoppedAt < 6_000, 'the process exits within 6 s');
    const ours = cluster.audit.since(mark).filter(({ userAgent }) => userAgent === old);
    const last = ours.filter(({ verb }) => verb !== 'watch').at(-1);
    assert.deepEqual(
      [last?.verb, last?.objectRef?.resource],
      ['update', 'leases'],
      'the last request releases the Lease',
    );
    assert.doesNotMatch(leader.lastLines(30), /reconcile failed/);
    await eventually('the standby leads', () => leads(standby), 4_000);
    await cluster.ready(watch);
  });
});
