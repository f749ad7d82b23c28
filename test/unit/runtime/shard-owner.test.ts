import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { KubeConfig } from '@kubernetes/client-node';
import { pino } from 'pino';
import { KubeClient } from '../../../operator/runtime/kube-client.js';
import { LeaseKind } from '../../../operator/runtime/lease.js';
import { ShardOwner } from '../../../operator/runtime/shard-owner.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { FakeApiServer } from '../../support/servers/fake-api-server.js';

/** leaseDurationSeconds is an integer, so 1 s is the minimum. */
const timing = { leaseDurationMs: 1_000, renewDeadlineMs: 600, retryPeriodMs: 50 };
const logger = pino({ level: 'silent' });

/** A process that shares shards. */
class Member {
  readonly stopping = new AbortController();
  readonly working = new Set<number>();
  readonly started: number[] = [];
  readonly running: Promise<void>;
  readonly owner: ShardOwner;
  readonly client: KubeClient;
  /** Duration of the last work before a shard is released. In milliseconds. */
  finishMs = 0;

  constructor(kubeConfig: KubeConfig, identity: string, shards: number) {
    this.client = new KubeClient(kubeConfig);
    const start = (shard: number) => {
      this.started.push(shard);
      this.working.add(shard);
      const stop = async () => {
        await sleep(this.finishMs);
        this.working.delete(shard);
      };
      return { stop };
    };
    const options = { namespace: 'ns', name: 'op', identity, shards, start, ...timing };
    this.owner = new ShardOwner(this.client, options, logger);
    this.running = this.owner.run(this.stopping.signal);
    this.running.catch(() => {});
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }
}

describe('ShardOwner', () => {
  let server: FakeApiServer;
  let kubeConfig: KubeConfig;
  let members: Member[];

  const join = (identity: string, shards = 5) => {
    const member = new Member(kubeConfig, identity, shards);
    members.push(member);
    return member;
  };
  const counts = () => members.map(({ working }) => working.size);
  const holder = (lease: string) =>
    (server.get(`ns/${lease}`)?.spec as { holderIdentity?: string } | undefined)?.holderIdentity;
  const balanced = (...expected: number[]) =>
    eventually(`shares of ${expected}`, () => String(counts().sort()) === String(expected), 5_000);

  beforeEach(async () => {
    server = new FakeApiServer(LeaseKind);
    members = [];
    kubeConfig = await server.listen();
  });
  afterEach(async () => {
    await Promise.all(members.map((member) => member.stop().catch(() => {})));
    await Promise.all(members.map(({ client }) => client.close()));
    await server.close();
  });

  it('gives all shards to a single process, and shares them when others join and leave', async () => {
    const a = join('a');
    await balanced(5);
    const b = join('b');
    await balanced(2, 3);
    join('c');
    await balanced(1, 2, 2);
    await a.stop();
    members = members.filter((member) => member !== a);
    await balanced(2, 3);
    assert.ok(b.working.size >= 2, 'a process that stays keeps its shards');
    await a.client.close();
  });

  it('never has two processes working on a shard while the shares change', async () => {
    const worst = new Set<number>();
    const watching = setInterval(() => {
      for (let shard = 0; shard < 5; shard++)
        worst.add(members.filter(({ working }) => working.has(shard)).length);
    }, 1);
    try {
      for (const identity of ['a', 'b', 'c']) {
        join(identity).finishMs = 60;
        await sleep(300);
      }
      await balanced(1, 2, 2);
    } finally {
      clearInterval(watching);
    }
    assert.deepEqual([...worst].sort(), [0, 1]);
  });

  it('releases a Lease only after the work of its shard has finished', async () => {
    const a = join('a', 1);
    await balanced(1);
    a.finishMs = 300;
    const stopped = a.stop();
    await sleep(150);
    assert.equal(holder('op-shard-0'), 'a');
    await stopped;
    assert.equal(holder('op-shard-0'), '');
    assert.equal(server.get('ns/op-member-a'), undefined, 'the Lease of the process is deleted');
  });

  it('waits for the expiry of the Leases of a process that crashed, takes its shards over, and deletes its Lease', async () => {
    const renewTime = new Date().toISOString();
    const spec = { holderIdentity: 'crashed', leaseDurationSeconds: 1, renewTime };
    for (const name of ['op-member-crashed', 'op-shard-0', 'op-shard-1', 'op-shard-2'])
      server.put({ kind: 'Lease', metadata: { namespace: 'ns', name }, spec } as never);
    const startedAt = performance.now();
    const a = join('a');
    await balanced(2);
    assert.deepEqual([...a.working], [3, 4]);
    await balanced(5);
    assert.ok(performance.now() - startedAt >= timing.leaseDurationMs, 'not before the Leases expired');
    await eventually('its Lease is deleted', () => !server.get('ns/op-member-crashed'), 1_000);
  });

  it('stops all work, and reports which Lease was lost, when another process takes a shard', async () => {
    const a = join('a', 2);
    await balanced(2);
    const stolen = server.get('ns/op-shard-1')!;
    server.put({ ...stolen, spec: { holderIdentity: 'thief', leaseDurationSeconds: 60 } } as never);
    await assert.rejects(a.running, /lost the Lease op-shard-1/);
    assert.deepEqual(counts(), [0]);
    assert.deepEqual([holder('op-shard-0'), holder('op-shard-1')], ['', 'thief']);
  });

  it('reports the missing permission if it may not list Leases', async () => {
    server.fail({ operation: 'list', status: 403 });
    await assert.rejects(join('a').running, /--shards: may not access Leases; the Role of the operator/);
  });
});
