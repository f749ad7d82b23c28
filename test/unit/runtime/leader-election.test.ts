import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { KubeClient, type ResourceType } from '../../../operator/runtime/kube-client.js';
import { LeaderElector } from '../../../operator/runtime/leader-election.js';
import { FakeApiServer } from '../../support/fake-api-server.js';

const kind: ResourceType = {
  group: 'coordination.k8s.io',
  version: 'v1',
  kind: 'Lease',
  plural: 'leases',
  namespaced: true,
};
/** The Lease holds whole seconds: one is the shortest. */
const timing = { leaseDurationMs: 1_000, renewDeadlineMs: 600, retryPeriodMs: 60 };
const logger = pino({ level: 'silent' });

describe('leader election', () => {
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

  it('has one leader, which renews, and a standby that waits', async () => {
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

  it('never has two leaders, whatever happens to the API server', async () => {
    const electors = ['a', 'b', 'c'].map(elector);
    const led = new Set<LeaderElector>();
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
      assert.ok(leaders.length <= 1, 'two leaders at once');
      for (const leader of leaders) led.add(leader);
      await sleep(5);
    }
    assert.ok(led.size >= 1);
    assert.ok(
      electors.some((one) => one.isLeader()),
      'somebody leads once the API server is back',
    );
    stop.abort();
    await Promise.all(running);
  });

  for (const mode of ['refusing', 'hanging'] as const) {
    it(`stops leading before anybody else may begin, while the API server is ${mode}`, async () => {
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

  it('keeps leading through one request that gets no answer', async () => {
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

  it('is led by the next one soon after a release', async () => {
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

  it('takes over from a leader that died, not before its Lease ran out', async () => {
    const [a, b] = [elector('a'), elector('b')];
    await a.acquire(stop.signal);
    const startedAt = performance.now();
    await b.acquire(stop.signal);
    const tookMs = performance.now() - startedAt;
    assert.ok(tookMs >= timing.leaseDurationMs - 20 && tookMs < 2 * timing.leaseDurationMs, `${tookMs} ms`);
    assert.ok(!a.isLeader());
  });

  it('gives way to another that took the Lease by force', async () => {
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
