import assert from 'node:assert/strict';
import { pino } from 'pino';
import { KubeApiError, type KubeClient, type KubeObject } from '../../../operator/runtime/kube-client.js';
import { LeaderElector, NotLeaderError } from '../../../operator/runtime/leader-election.js';
import type { Lease } from '../../../operator/runtime/lease.js';
import { FakeClock } from '../../support/fixtures/fake-clock.js';

/** One Lease in memory. Each process has its own connection, which can fail or hang. */
class LeaseServer {
  lease: Lease | undefined;
  reads = 0;
  writes = 0;

  connection() {
    const connection = { state: 'up' as 'up' | 'down' | 'hangs' };
    const reach = async (signal?: AbortSignal) => {
      await Promise.resolve();
      if (connection.state === 'down') throw new Error('connection refused');
      if (connection.state === 'hangs')
        await new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));
    };
    const write = (object: KubeObject) => {
      this.writes += 1;
      const metadata = { ...object.metadata, resourceVersion: String(this.writes) };
      this.lease = { ...(object as Lease), metadata };
      return this.lease;
    };
    const client = {
      get: async (_type: unknown, _namespace: string, _name: string, signal?: AbortSignal) => {
        await reach(signal);
        this.reads += 1;
        if (!this.lease) throw new KubeApiError(404, 'NotFound', 'no lease');
        return this.lease;
      },
      create: async (_type: unknown, object: KubeObject, { signal }: { signal?: AbortSignal }) => {
        await reach(signal);
        if (this.lease) throw new KubeApiError(409, 'AlreadyExists', 'there is one');
        return write(object);
      },
      replace: async (_type: unknown, object: KubeObject, signal?: AbortSignal) => {
        await reach(signal);
        if (object.metadata.resourceVersion !== this.lease?.metadata.resourceVersion)
          throw new KubeApiError(409, 'Conflict', 'changed meanwhile');
        return write(object);
      },
    };
    return { connection, client: client as unknown as KubeClient };
  }
}

describe('LeaderElector with the default timing', () => {
  let server: LeaseServer;
  let clock: FakeClock;
  let stop: AbortController;

  beforeEach(() => {
    server = new LeaseServer();
    clock = new FakeClock();
    stop = new AbortController();
  });

  function join(identity: string) {
    const { connection, client } = server.connection();
    const options = { namespace: 'default', name: 'lease', identity, clock };
    const elector = new LeaderElector(client, options, pino({ level: 'silent' }));
    void elector.acquire(stop.signal).then(
      () => elector.hold(stop.signal),
      () => {},
    );
    return { connection, elector };
  }

  it('renews the Lease with one request each time', async () => {
    const { elector } = join('a');
    await clock.advance(120_000);
    assert.ok(elector.isLeader());
    assert.equal(server.reads, 1);
    assert.ok(server.writes >= 55);
    assert.deepEqual([server.lease?.spec.leaseDurationSeconds, server.lease?.spec.leaseTransitions], [15, 0]);
  });

  for (const state of ['down', 'hangs'] as const) {
    it(`has more than 3 s between two leaders when the connection of the first ${state === 'down' ? 'is down' : 'hangs'}`, async () => {
      const a = join('a');
      await clock.advance(1_000);
      const b = join('b');
      await clock.advance(5_000);
      a.connection.state = state;
      let stoppedAt = 0;
      a.elector.signal.addEventListener('abort', () => {
        stoppedAt = clock.now();
      });
      for (let i = 0; i < 300 && !b.elector.isLeader(); i++) {
        await clock.advance(100);
        assert.ok(!(a.elector.isLeader() && b.elector.isLeader()), `two leaders at ${clock.now()}`);
      }
      assert.ok(b.elector.isLeader());
      assert.ok(stoppedAt > 0 && clock.now() - stoppedAt > 3_000);
      assert.throws(() => a.elector.guard(), NotLeaderError);
      assert.equal(server.lease?.spec.leaseTransitions, 1);
    });
  }

  it('guard() throws after a pause of the process that exceeds the renew deadline, before any timer fires', async () => {
    const { elector } = join('a');
    await clock.advance(1_000);
    clock.freeze(11_000);
    assert.throws(() => elector.guard(), NotLeaderError);
  });

  it('does not write the Lease after such a pause, which would report a process that is about to exit as active', async () => {
    const { elector } = join('a');
    await clock.advance(1_000);
    const { writes } = server;
    clock.freeze(11_000);
    await clock.advance(5_000);
    assert.equal(server.writes, writes);
    assert.equal(elector.isLeader(), false);
  });

  it('does not acquire a Lease before it observed it for the lease duration, also with an old renewTime', async () => {
    server.lease = {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name: 'lease', resourceVersion: '0' },
      spec: { holderIdentity: 'gone', leaseDurationSeconds: 15, renewTime: '2001-01-01T00:00:00.000000Z' },
    };
    const { elector } = join('b');
    await clock.advance(14_900);
    assert.equal(elector.isLeader(), false);
    await clock.advance(3_000);
    assert.ok(elector.isLeader());
  });

  it('keeps leadership during an outage of 6 s', async () => {
    const { connection, elector } = join('a');
    await clock.advance(1_000);
    connection.state = 'down';
    await clock.advance(6_000);
    connection.state = 'up';
    await clock.advance(30_000);
    assert.ok(elector.isLeader());
    assert.equal(elector.signal.aborted, false);
  });

  it('renews after the stop signal until release()', async () => {
    const { elector } = join('a');
    await clock.advance(1_000);
    stop.abort();
    await clock.advance(20_000);
    assert.ok(elector.isLeader(), 'the last reconciles may still write');
    const releasing = elector.release();
    await clock.advance(0);
    await releasing;
    assert.equal(server.lease?.spec.holderIdentity, '');
    assert.equal(elector.isLeader(), false);
  });

  it('stops the release when the API server does not respond', async () => {
    const { connection, elector } = join('a');
    await clock.advance(1_000);
    connection.state = 'hangs';
    const releasing = elector.release();
    await clock.advance(6_000);
    await releasing;
    assert.equal(elector.isLeader(), false);
  });

  it('rejects a renew deadline that exceeds the lease duration', () => {
    const { client } = server.connection();
    const options = { namespace: 'default', name: 'lease', identity: 'a', renewDeadlineMs: 20_000 };
    assert.throws(() => new LeaderElector(client, options, pino({ level: 'silent' })), RangeError);
  });
});
