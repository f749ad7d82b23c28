import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parse } from 'yaml';
import { PcfApiKind } from '../../../operator/resources/kinds.js';
import type { KubeObject, ResourceType } from '../../../operator/runtime/kube-client.js';
import { type Lease, LeaseKind } from '../../../operator/runtime/lease.js';
import { shardOf } from '../../../operator/runtime/sharding.js';
import type { OperatorProcess } from '../../../sandbox/operator-process.js';
import {
  type AuditedCluster,
  metricsText,
  sharedAuditedCluster,
} from '../../support/cluster/audited-cluster.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { START_TIMEOUT_MS } from '../../support/cluster/sandbox.js';
import { TcpProxy } from '../../support/servers/tcp-proxy.js';

const SHARDS = 6;
const LEASE_MS = 6_000;
/** Longer than FAST_LEASE: three replicas and twenty PcfApis are more work for a busy machine. */
const LEASE = ['--lease-duration', `${LEASE_MS}ms`, '--renew-deadline', '4s', '--retry-period', '500ms'];
const SHARDED = [...LEASE, '--shards', String(SHARDS)];
const NAMESPACES = Array.from({ length: 20 }, (_, index) => `shards-${index}`);
/** Number of PcfApis that are created at the same time. */
const BATCH = 5;
/** A reconcile that does not wait for another owner. */
const AT_ONCE_MS = LEASE_MS / 2;

const rbac = (kind: string, plural: string): ResourceType => ({
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  kind,
  plural,
  namespaced: true,
});
const RoleKind = rbac('Role', 'roles');
const RoleBindingKind = rbac('RoleBinding', 'rolebindings');

/** The tests are one story: each starts with the replicas that the one before has left. */
describe('the operator with six shards', () => {
  let cluster: AuditedCluster;
  let proxy: TcpProxy;
  let weight = 0;
  let [first, second, third]: OperatorProcess[] = [];

  before(async function () {
    this.timeout(START_TIMEOUT_MS);
    cluster = await sharedAuditedCluster();
    proxy = await TcpProxy.before(cluster.sandbox.parts.cluster.server);
    await allowShards();
    await cluster.namespaces(NAMESPACES);
    [first, second, third] = await Promise.all([
      cluster.operator('shards-first', { args: SHARDED }),
      cluster.operator('shards-second', { args: SHARDED, server: proxy.url }),
      cluster.operator('shards-third', { args: SHARDED }),
    ]);
  });
  after(async () => {
    await cluster?.clear();
    await proxy?.close();
    await forbidShards();
  });

  /** The permissions that the chart adds with several shards. */
  async function allowShards(): Promise<void> {
    const metadata = { name: 'shards', namespace: 'pcf-system' };
    const apiVersion = 'rbac.authorization.k8s.io/v1';
    const rules = parse(readFileSync('deploy/helm/pcf-operator/files/rbac-shard-rules.yaml', 'utf8'));
    await cluster.client.create(RoleKind, { apiVersion, kind: 'Role', metadata, rules } as KubeObject);
    await cluster.client.create(RoleBindingKind, {
      ...{ apiVersion, kind: 'RoleBinding', metadata },
      roleRef: { apiGroup: RoleKind.group, kind: 'Role', name: metadata.name },
      subjects: [{ kind: 'ServiceAccount', name: 'pcf-operator', namespace: 'pcf-system' }],
    } as KubeObject);
  }

  async function forbidShards(): Promise<void> {
    await cluster?.client.delete(RoleBindingKind, 'pcf-system', 'shards');
    await cluster?.client.delete(RoleKind, 'pcf-system', 'shards');
  }

  /** Shards that a replica owns, according to its metrics. */
  async function shardsOf(operator: OperatorProcess): Promise<number[]> {
    const owned = /^leader_election_master_status\{name="pcf-operator-shard-(\d+)"\} 1$/gm;
    return [...(await metricsText(operator)).matchAll(owned)].map(([, shard]) => Number(shard));
  }

  const awaitShares = (operators: OperatorProcess[], expected: number[]) =>
    eventually(
      `shares of ${expected} shards`,
      async () => {
        const owned = await Promise.all(operators.map(shardsOf));
        return (
          new Set(owned.flat()).size === SHARDS && String(owned.map((one) => one.length)) === `${expected}`
        );
      },
      20_000,
    );

  const shardOfNamespace = (namespace: string) => shardOf(`${namespace}/api`, SHARDS);
  const namespacesOf = (shards: readonly number[]) =>
    NAMESPACES.filter((namespace) => shards.includes(shardOfNamespace(namespace)));

  /** User agents of the writes of each PcfApi, in their order, without repetitions. */
  function writersSince(mark: number): Map<string, string[]> {
    const writers = new Map<string, string[]>(NAMESPACES.map((namespace) => [namespace, []]));
    const writes = cluster.audit.writesSince(mark);
    writes.sort((a, b) => (a.requestReceivedTimestamp < b.requestReceivedTimestamp ? -1 : 1));
    for (const { objectRef, userAgent = '' } of writes) {
      const sequence = writers.get(objectRef?.namespace ?? '');
      if (sequence && sequence.at(-1) !== userAgent) sequence.push(userAgent);
    }
    return writers;
  }

  /** No former owner writes after the first write of the next one. */
  function assertOneOwnerAtATime(mark: number): void {
    for (const [namespace, sequence] of writersSince(mark))
      assert.equal(new Set(sequence).size, sequence.length, `${namespace}: ${sequence.join(' -> ')}`);
  }

  async function holderOf(shard: number): Promise<string> {
    const lease = (await cluster.client.get(LeaseKind, 'pcf-system', `pcf-operator-shard-${shard}`)) as Lease;
    return lease.spec.holderIdentity ?? '';
  }

  async function memberLeases(): Promise<number> {
    const { items } = await cluster.client.list(LeaseKind, { namespace: 'pcf-system' });
    return items.filter(({ metadata }) => metadata.name.startsWith('pcf-operator-member-')).length;
  }

  /** Edits every PcfApi. Returns the time until the operator has reconciled it, in milliseconds, by namespace. */
  async function editAll(): Promise<Map<string, number>> {
    weight = (weight % 99) + 1;
    const startedAt = performance.now();
    await Promise.all(NAMESPACES.map((namespace) => cluster.patch(namespace, { canaryWeight: weight })));
    const took = new Map<string, number>();
    await eventually(
      'every edit is reconciled',
      async () => {
        for (const { metadata, status } of (await cluster.client.list(PcfApiKind)).items) {
          const { observedGeneration } = status as { observedGeneration: number };
          if (observedGeneration === metadata.generation && !took.has(metadata.namespace!))
            took.set(metadata.namespace!, Math.round(performance.now() - startedAt));
        }
        return took.size === NAMESPACES.length;
      },
      30_000,
    );
    return took;
  }

  const longest = (took: Map<string, number>, namespaces: readonly string[]) =>
    Math.max(...namespaces.map((namespace) => took.get(namespace)!));
  const shortest = (took: Map<string, number>, namespaces: readonly string[]) =>
    Math.min(...namespaces.map((namespace) => took.get(namespace)!));

  const assertAtOnce = (took: Map<string, number>, namespaces: readonly string[]) =>
    assert.ok(longest(took, namespaces) < AT_ONCE_MS, `reconciled after ${[...took.values()]} ms`);

  /** Edits while `lost` does not respond: only its PcfApis wait, until its Leases expire. */
  async function assertOnlyShareWaits(lost: readonly number[]): Promise<void> {
    const took = await editAll();
    const waiting = namespacesOf(lost);
    const others = NAMESPACES.filter((namespace) => !waiting.includes(namespace));
    assert.ok(waiting.length > 0 && others.length > 0);
    assertAtOnce(took, others);
    assert.ok(shortest(took, waiting) > LEASE_MS / 2, `its share: from ${shortest(took, waiting)} ms`);
    assert.ok(longest(took, waiting) < 2 * LEASE_MS, `its share: up to ${longest(took, waiting)} ms`);
  }

  it('shares the PcfApis between three replicas, and each is written by the owner of its shard only', async () => {
    await awaitShares([first!, second!, third!], [2, 2, 2]);
    const mark = cluster.audit.mark();
    // Not all at once: on a busy machine, the Leases of three seconds would expire.
    for (let from = 0; from < NAMESPACES.length; from += BATCH) {
      const batch = NAMESPACES.slice(from, from + BATCH);
      const watches = await Promise.all(batch.map((namespace) => cluster.create(namespace)));
      await Promise.all(watches.map((watch) => cluster.ready(watch)));
    }
    const holders = await Promise.all(Array.from({ length: SHARDS }, (_, shard) => holderOf(shard)));
    for (const [namespace, writers] of writersSince(mark))
      assert.deepEqual(writers, [`pcf-operator (${holders[shardOfNamespace(namespace)]})`], namespace);
    assert.equal(new Set(holders).size, 3);
  });

  it('exports the metrics of a PcfApi in the replica that owns it, and nowhere else', async () => {
    for (const operator of [first!, second!, third!]) {
      const text = await metricsText(operator);
      const exported = new Set(
        [...text.matchAll(/^pcf_revisions\{namespace="([^"]+)"/gm)].map(([, name]) => name),
      );
      assert.deepEqual(exported, new Set(namespacesOf(await shardsOf(operator))));
    }
  });

  it('delays only the PcfApis of a replica that is killed, for one lease', async () => {
    const lost = await shardsOf(third!);
    const mark = cluster.audit.mark();
    await third!.kill();
    await assertOnlyShareWaits(lost);
    assertOneOwnerAtATime(mark);
    await awaitShares([first!, second!], [3, 3]);
  });

  it('hands shards over to a replica that joins, without a delay of a lease', async () => {
    const before = await Promise.all([first!, second!].map(shardsOf));
    const mark = cluster.audit.mark();
    const joining = cluster.operator('shards-fourth', { args: SHARDED });
    // While the shards are handed over.
    let hasJoined = false;
    const editing = (async () => {
      while (!hasJoined) {
        assertAtOnce(await editAll(), NAMESPACES);
        await sleep(200);
      }
    })();
    third = await joining;
    await awaitShares([first!, second!, third], [2, 2, 2]);
    hasJoined = true;
    await editing;
    assertOneOwnerAtATime(mark);
    const after = await Promise.all([first!, second!].map(shardsOf));
    for (const [index, shards] of after.entries())
      assert.ok(
        shards.every((shard) => before[index]!.includes(shard)),
        'no other shard moved',
      );
    assert.equal(await memberLeases(), 3, 'the Lease of the killed replica was deleted');
  });

  it('never writes as a former owner after SIGSTOP and SIGCONT', async () => {
    const lost = await shardsOf(third!);
    const mark = cluster.audit.mark();
    third!.signal('SIGSTOP');
    await assertOnlyShareWaits(lost);
    // It would repair and report these edits if it continued as their owner.
    const edited = editAll();
    third!.signal('SIGCONT');
    assert.equal((await third!.exited).code, 1, 'the process exits, so that its supervisor restarts it');
    assertAtOnce(await edited, NAMESPACES);
    assertOneOwnerAtATime(mark);
    assert.match(third!.lastLines(50), /lost the Lease/);
  });

  it('delays only the PcfApis of a replica without connection to the API server, which stops writing', async () => {
    await awaitShares([first!, second!], [3, 3]);
    const lost = await shardsOf(second!);
    const mark = cluster.audit.mark();
    proxy.cut();
    await assertOnlyShareWaits(lost);
    assert.equal((await second!.exited).code, 1);
    proxy.open();
    assertOneOwnerAtATime(mark);
    await awaitShares([first!], [6]);
  });

  it('releases all Leases on SIGTERM; an operator without shards waits until then, and for the expiry of their common Lease', async () => {
    const mark = cluster.audit.mark();
    const alone = await cluster.operator('shards-alone', { args: LEASE });
    assertAtOnce(await editAll(), NAMESPACES);
    const agents = () => new Set([...writersSince(mark).values()].flat());
    assert.equal(agents().size, 1, 'the operator without shards writes nothing');
    const stoppedAt = performance.now();
    assert.equal((await first!.stop()).code, 0);
    const holders = await Promise.all(Array.from({ length: SHARDS }, (_, shard) => holderOf(shard)));
    assert.deepEqual(new Set(holders), new Set(['']));
    assert.equal(await memberLeases(), 0);
    assert.equal((await cluster.lease()).holderIdentity, `shards-${SHARDS}`);
    await editAll();
    assert.ok(performance.now() - stoppedAt > LEASE_MS - 1_000, 'it waits for the common Lease');
    assertOneOwnerAtATime(mark);
    assert.ok((await metricsText(alone)).includes('leader_election_master_status{name="pcf-operator"} 1'));
  });

  it('does not write with another number of shards while the operator without shards is the leader', async () => {
    const mark = cluster.audit.mark();
    await cluster.operator('shards-late', { args: SHARDED });
    await editAll();
    await editAll();
    assert.equal(new Set([...writersSince(mark).values()].flat()).size, 1);
    assert.equal(await holderOf(0), '', 'no shard is owned');
  });
});
