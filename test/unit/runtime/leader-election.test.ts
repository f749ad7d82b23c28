import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { KubeClient, type ResourceType } from '../../../operator/runtime/kube-client.js';
import { LeaderElector } from '../../../operator/runtime/leader-election.js';
import { FakeApiServer } from '../../support/servers/fake-api-server.js';

const kind: ResourceType = {
  group: 'coordination.k8s.io',
  version: 'v1',
  kind: 'Lease',
  plural: 'leases',
  namespaced: true,
};
/** leaseDurationSeconds is an integer, so 1 s is the minimum. */
const timing = { leaseDurationMs: 1_000, renewDeadlineMs: 600, retryPeriodMs: 60 };
const logger = pino({ level: 'silent' });

describe('LeaderElector', () => {
  let server: FakeApiServer;
  let stop: AbortController;
  let clients: KubeClient[];
  let connect: () => KubeClient;
  const elector = (identity: string) =>
    new LeaderElector(connect(), { namespace: 'ns', name: 'lease', identity, ...timing }, logger);
  const holder = () => (server.get('ns/lease')!.spec as { holderIdentity?: string }).holderIdentity;

  beforeEach(async () => {
    server = new FakeApiServer(kind);
    stop = new AbortController();
    clients = [];
    const kubeConfig = await server.listen();
    connect = () => {
      const client = new KubeClient(kubeConfig);
      clients.push(client);
      return client;
    };
  });
  afterEach(async () => {
    stop.abort();
    await Promise.all(clients.map((client) => client.close()));
    await server.close();
  });

  it('has one leader that renews the Lease, and a standby that waits', async () => {
    const [a, b] = [elector('a'), elector('b')];
    await a.acquire(stop.signal);
    const held = a.hold(stop.signal);
    const waiting = assert.rejects(b.acquire(stop.signal), { name: 'AbortError' });
    const first = server.get('ns/lease')!.metadata.resourceVersion;
    await sleep(2 * timing.leaseDurationMs);
    assert.ok(a.isLeader());
    assert.ok(!b.isLeader());
    assert.throws(() => b.guard(), { name: 'NotLeaderError' });
    assert.notEqual(server.get('ns/lease')!.metadata.resourceVersion, first);
    stop.abort();
    await Promise.all([held, waiting]);
  });

  it('never has two leaders while the API server is refusing or hanging repeatedly', async () => {
    const electors = ['a', 'b', 'c'].map(elector);
    const leadersSoFar = new Set<LeaderElector>();
    const running = electors.map(async (one) => {
      while (!stop.signal.aborted) {
        await one.acquire(stop.signal).catch(() => {});
        await one.hold(stop.signal);
      }
    });
    const modes = ['up', 'refusing', 'up', 'hanging', 'up'] as const;
    const startedAt = performance.now();
    for (let elapsed = 0; elapsed < 5_000; elapsed = performance.now() - startedAt) {
      server.mode = modes[Math.floor(elapsed / 1_000)]!;
      const leaders = electors.filter((one) => one.isLeader());
      assert.ok(leaders.length <= 1, 'two leaders at the same time');
      for (const leader of leaders) leadersSoFar.add(leader);
      await sleep(5);
    }
    assert.ok(leadersSoFar.size >= 1);
    assert.ok(
      electors.some((one) => one.isLeader()),
      'one elector leads after the API server recovered',
    );
    stop.abort();
    await Promise.all(running);
  });

  for (const mode of ['refusing', 'hanging'] as const) {
    it(`stops leading before another elector can acquire the Lease, while the API server is ${mode}`, async () => {
      const [a, b] = [elector('a'), elector('b')];
      await a.acquire(stop.signal);
      const startedAt = performance.now();
      const held = a.hold(stop.signal);
      server.mode = mode;
      await held;
      const heldMs = performance.now() - startedAt;
      assert.ok(!a.isLeader());
      assert.ok(heldMs < timing.leaseDurationMs, `hold ended after ${heldMs} ms`);
      server.mode = 'up';
      await b.acquire(stop.signal);
      assert.ok(b.isLeader() && !a.isLeader());
      assert.equal(holder(), 'b');
    });
  }

  it('keeps leadership when one renewal gets no response', async () => {
    const a = elector('a');
    await a.acquire(stop.signal);
    const held = a.hold(stop.signal);
    server.mode = 'hanging';
    await sleep(timing.retryPeriodMs + 40);
    server.mode = 'up';
    await sleep(timing.leaseDurationMs);
    assert.ok(a.isLeader());
    stop.abort();
    await held;
  });

  const shared = () =>
    new LeaderElector(
      connect(),
      { namespace: 'ns', name: 'lease', identity: 'group', isShared: true, ...timing },
      logger,
    );

  it('processes with a shared identity all hold the Lease, although they renew it at the same time', async () => {
    const group = [shared(), shared(), shared()];
    const renewAll = async () => {
      await Promise.all(group.map((one) => one.tryAcquire()));
      await sleep(timing.retryPeriodMs);
      return group.every((one) => one.isLeader());
    };
    await renewAll();
    await renewAll();
    const startedAt = performance.now();
    while (performance.now() - startedAt < 2 * timing.renewDeadlineMs)
      assert.ok(await renewAll(), `after ${Math.round(performance.now() - startedAt)} ms`);
  });

  it('a process with a shared identity counts a renewal by another one only from its own last read', async () => {
    const [a, b] = [shared(), shared()];
    await a.tryAcquire();
    await b.tryAcquire();
    await sleep(timing.renewDeadlineMs / 2);
    await b.tryAcquire();
    await a.tryAcquire();
    await sleep(timing.renewDeadlineMs * 0.7);
    assert.ok(b.isLeader(), 'it has written the Lease');
    assert.ok(!a.isLeader(), 'the deadline after its first read has passed');
  });

  it('a process with a shared identity does not hold a Lease that another process acquired', async () => {
    const [other, member] = [elector('other'), shared()];
    await other.acquire(stop.signal);
    assert.equal(await member.tryAcquire(), false);
    assert.equal(holder(), 'other');
  });

  it('processes with a shared identity hold the Lease together, and keep others from it until the last one stops', async () => {
    const [a, b, other] = [shared(), shared(), elector('other')];
    await a.acquire(stop.signal);
    await b.acquire(stop.signal);
    const held = [a.hold(stop.signal), b.hold(stop.signal)];
    let wasAcquired = false;
    const waiting = other.acquire(stop.signal).then(() => {
      wasAcquired = true;
    });
    await sleep(1.3 * timing.leaseDurationMs);
    assert.ok(a.isLeader() && b.isLeader());
    await a.release();
    assert.ok(!a.isLeader());
    await sleep(1.3 * timing.leaseDurationMs);
    assert.ok(b.isLeader() && !wasAcquired, 'a release does not take the Lease from the others');
    await b.release();
    const releasedAt = performance.now();
    await waiting;
    const tookMs = performance.now() - releasedAt;
    assert.ok(tookMs >= timing.leaseDurationMs - 2 * timing.retryPeriodMs - 50, `${tookMs} ms`);
    stop.abort();
    await Promise.all(held);
  });

  it('a standby acquires the Lease soon after a release', async () => {
    const [a, b] = [elector('a'), elector('b')];
    await a.acquire(stop.signal);
    const waiting = b.acquire(stop.signal);
    await sleep(2 * timing.retryPeriodMs);
    const releasedAt = performance.now();
    await a.release();
    assert.ok(!a.isLeader());
    await waiting;
    const tookMs = performance.now() - releasedAt;
    assert.ok(tookMs < timing.leaseDurationMs / 2, `${tookMs} ms`);
    assert.equal((server.get('ns/lease')!.spec as { leaseTransitions: number }).leaseTransitions, 1);
  });

  it('acquires the Lease of a dead leader, but not before it expired', async () => {
    const [a, b] = [elector('a'), elector('b')];
    await a.acquire(stop.signal);
    const startedAt = performance.now();
    await b.acquire(stop.signal);
    const tookMs = performance.now() - startedAt;
    assert.ok(tookMs >= timing.leaseDurationMs - 20 && tookMs < 2 * timing.leaseDurationMs, `${tookMs} ms`);
    assert.ok(!a.isLeader());
  });

  it('stops leading when another holder has overwritten the Lease', async () => {
    const a = elector('a');
    await a.acquire(stop.signal);
    const lease = server.get('ns/lease')!;
    server.put({ ...lease, spec: { ...(lease.spec as object), holderIdentity: 'b' } });
    const startedAt = performance.now();
    await a.hold(stop.signal);
    assert.ok(performance.now() - startedAt < timing.renewDeadlineMs);
    await a.release();
    assert.equal(holder(), 'b');
  });
});
