/** Reports every pod as running and ready, and every migration as completed. Starts no process. */
import type { Logger } from 'pino';
import { isNotFound, type KubeClient, type ResourceType } from '../../../operator/runtime/kube-client.js';
import { ResourceCache } from '../../../operator/runtime/resource-cache.js';
import { PodKind } from '../../../sandbox/node/pod-worker.js';
import type { Pod } from '../../../sandbox/node/types.js';
import { within } from '../../../sandbox/process/within.js';

const NodeKind: ResourceType = { group: '', version: 'v1', kind: 'Node', plural: 'nodes', namespaced: false };
const NAME = 'stand-in';
const nothingToDo = { outcome: 'nothing', current: null, applied: [], pending: [], durationMs: 0 };

export class StandInKubelet {
  private readonly pods: ResourceCache;
  private readonly stopping = new AbortController();
  private readonly settledUids = new Set<string>();
  private addresses = 0;
  /** Contract migrations that each Job reports as pending. */
  contracts: readonly string[] = [];
  /** Migrations that start now run until this promise resolves. */
  private held: Promise<void> | undefined;

  constructor(
    private readonly client: KubeClient,
    logger: Logger,
  ) {
    this.pods = new ResourceCache(PodKind, client, logger, { fieldSelector: `spec.nodeName=${NAME}` });
    this.pods.on(({ type, object }) => {
      if (type !== 'DELETED') void this.settle(object as Pod).catch(() => {});
    });
  }

  async start(): Promise<void> {
    const resources = { cpu: '4000', 'ephemeral-storage': '16Ti', memory: '16Ti', pods: '10000' };
    await this.client.create(NodeKind, { apiVersion: 'v1', kind: 'Node', metadata: { name: NAME } });
    const conditions = [{ type: 'Ready', status: 'True' }];
    const status = { capacity: resources, allocatable: resources, conditions };
    await this.client.patch(NodeKind, undefined, NAME, { status }, { subresource: 'status' });
    await this.client.patch(NodeKind, undefined, NAME, { spec: { taints: null } });
    void this.pods.run(this.stopping.signal);
    await within('the pods of the stand-in node are listed', this.pods.synced);
  }

  stop(): void {
    this.stopping.abort();
  }

  /** Migrations run until the returned function is called. */
  holdMigrations(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.held = promise;
    return () => {
      this.held = undefined;
      resolve();
    };
  }

  private async settle(pod: Pod): Promise<void> {
    const { uid = '', name, namespace, deletionTimestamp, labels } = pod.metadata;
    if (deletionTimestamp) return this.remove(pod);
    if (this.settledUids.has(uid)) return;
    this.settledUids.add(uid);
    const isMigration = labels?.['app.kubernetes.io/component'] === 'migration';
    const report = (status: object) =>
      this.client.patch(PodKind, namespace, name, { status }, { subresource: 'status' });
    if (!isMigration || this.held) await report(this.running(pod));
    if (!isMigration) return;
    await this.held;
    await report(this.done(pod));
  }

  private async remove({ metadata: { namespace, name, uid } }: Pod): Promise<void> {
    await this.client
      .delete(PodKind, namespace, name, { uid, gracePeriodSeconds: 0 })
      .catch((error: unknown) => {
        if (!isNotFound(error)) throw error;
      });
  }

  private running(pod: Pod) {
    const index = ++this.addresses;
    const ip = `10.${100 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`;
    const container = pod.spec.containers[0]!;
    return {
      phase: 'Running',
      // An autoscaler ignores the CPU of a pod without these times.
      startTime: now(),
      podIP: ip,
      podIPs: [{ ip }],
      conditions: ['PodScheduled', 'Initialized', 'ContainersReady', 'Ready'].map((type) => ({
        type,
        status: 'True',
        lastTransitionTime: now(),
      })),
      containerStatuses: [
        { ...identity(container), ready: true, started: true, state: { running: { startedAt: now() } } },
      ],
    };
  }

  private done(pod: Pod) {
    const container = pod.spec.containers[0]!;
    const terminated = {
      exitCode: 0,
      reason: 'Completed',
      message: JSON.stringify({
        ...nothingToDo,
        ...(this.contracts.length > 0
          ? { pending: this.contracts, backfills: [], contracts: this.contracts }
          : {}),
      }),
      startedAt: now(),
      finishedAt: now(),
    };
    return {
      phase: 'Succeeded',
      conditions: [{ type: 'Ready', status: 'False', reason: 'PodCompleted' }],
      containerStatuses: [{ ...identity(container), ready: false, state: { terminated } }],
    };
  }
}

function identity({ name, image }: { name: string; image: string }) {
  return { name, image, imageID: image, restartCount: 0 };
}

function now(): string {
  return `${new Date().toISOString().slice(0, 19)}Z`;
}
