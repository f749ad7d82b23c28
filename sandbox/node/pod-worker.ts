/** One pod: its containers, its status, its graceful end. */
import { join } from 'node:path';
import { isNotFound, type KubeClient, type ResourceType } from '../../operator/runtime/kube-client.js';
import type { Ledger } from '../process/ledger.js';
import { freePorts } from '../process/ports.js';
import type { AddressBook } from './address-book.js';
import { ContainerRunner } from './container-runner.js';
import { removeFolder } from './environment.js';
import type { Condition, Pod } from './types.js';

export const PodKind: ResourceType = {
  group: '',
  version: 'v1',
  kind: 'Pod',
  plural: 'pods',
  namespaced: true,
};

export interface PodContext {
  client: KubeClient;
  ledger: Ledger;
  addresses: AddressBook;
  imagesDir: string;
  podsDir: string;
  crashLoopBaseMs: number;
  crashLoopMaxMs: number;
  onError: (error: unknown) => void;
}

export class PodWorker {
  private runners: ContainerRunner[] = [];
  private readonly address: string;
  private readonly folder: string;
  private readonly startTime = `${new Date().toISOString().slice(0, 19)}Z`;
  private ended = false;
  private deleting: Promise<void> | undefined;
  private reporting: Promise<void> = Promise.resolve();
  private reportQueued = false;
  private lastReport = '';

  constructor(
    private readonly pod: Pod,
    private readonly context: PodContext,
  ) {
    this.address = context.addresses.newAddress();
    this.folder = join(context.podsDir, pod.metadata.uid ?? pod.metadata.name);
  }

  async start(): Promise<void> {
    const { addresses } = this.context;
    const containerPorts = this.pod.spec.containers.flatMap(
      ({ ports }) => ports?.map((port) => port.containerPort) ?? [],
    );
    const localPorts = await freePorts(containerPorts.length);
    const ports = new Map(containerPorts.map((port, index) => [port, localPorts[index]!]));
    for (const [port, local] of ports) addresses.set(this.address, port, local);
    this.runners = this.pod.spec.containers.map(
      (container) =>
        new ContainerRunner(this.pod, container, {
          ...this.context,
          podIp: this.address,
          podFolder: this.folder,
          ports,
          onChange: () => this.report(),
        }),
    );
    await Promise.all(this.runners.map((runner) => runner.run()));
    this.ended = true;
    this.report();
  }

  /** The pod is to go: end its processes in order, then take it off the API server. */
  delete(graceSeconds: number): Promise<void> {
    this.deleting ??= this.end(graceSeconds);
    return this.deleting;
  }

  /** Ends the processes at once, as the end of the node would. */
  kill(): void {
    for (const runner of this.runners) runner.kill();
  }

  private async end(graceSeconds: number): Promise<void> {
    const { client, addresses } = this.context;
    await Promise.all(this.runners.map((runner) => runner.stop(graceSeconds * 1000)));
    this.report();
    await this.reporting;
    const { namespace, name, uid } = this.pod.metadata;
    await client.delete(PodKind, namespace, name, { uid, gracePeriodSeconds: 0 }).catch((error: unknown) => {
      if (!isNotFound(error)) this.context.onError(error);
    });
    addresses.forget(this.address);
    removeFolder(this.folder);
  }

  /** Writes the status as it is when its turn comes; changes in between are written once. */
  private report(): void {
    if (this.reportQueued) return;
    this.reportQueued = true;
    this.reporting = this.reporting.then(() => this.writeStatus());
  }

  private async writeStatus(): Promise<void> {
    this.reportQueued = false;
    const status = this.status();
    const text = JSON.stringify({
      ...status,
      conditions: status.conditions.map(({ lastTransitionTime: _, ...rest }) => rest),
    });
    if (text === this.lastReport) return;
    const { namespace, name } = this.pod.metadata;
    try {
      await this.context.client.patch(PodKind, namespace, name, { status }, { subresource: 'status' });
      this.lastReport = text;
    } catch (error) {
      if (isNotFound(error)) return;
      this.context.onError(error);
      setTimeout(() => this.report(), 500).unref();
    }
  }

  private status() {
    const ready = this.runners.length > 0 && this.runners.every((runner) => runner.ready);
    const at = `${new Date().toISOString().slice(0, 19)}Z`;
    const condition = (type: string, holds: boolean, reason?: string): Condition => ({
      type,
      status: holds ? 'True' : 'False',
      lastTransitionTime: at,
      ...(reason ? { reason } : {}),
    });
    const completed = this.phase() === 'Succeeded' ? 'PodCompleted' : undefined;
    return {
      phase: this.phase(),
      hostIP: '127.0.0.1',
      podIP: this.address,
      podIPs: [{ ip: this.address }],
      startTime: this.startTime,
      conditions: [
        condition('PodScheduled', true),
        condition('Initialized', true),
        condition('ContainersReady', ready, completed),
        condition('Ready', ready, completed),
      ],
      containerStatuses: this.runners.map((runner) => ({
        name: runner.container.name,
        image: runner.container.image,
        imageID: runner.container.image,
        ready: runner.ready,
        started: runner.started,
        restartCount: runner.restartCount,
        // A merge patch keeps what it does not name: the states that do not hold are taken out.
        state: { waiting: null, running: null, terminated: null, ...runner.state },
        lastState: { terminated: null, ...runner.lastState },
      })),
    };
  }

  private phase(): string {
    const states = this.runners.map((runner) => runner.state);
    if (this.ended && states.every((state) => state.terminated)) {
      return states.every((state) => state.terminated?.exitCode === 0) ? 'Succeeded' : 'Failed';
    }
    const everStarted = this.runners.every(
      (runner) =>
        runner.state.running ||
        runner.state.terminated ||
        runner.restartCount > 0 ||
        runner.lastState.terminated,
    );
    return everStarted ? 'Running' : 'Pending';
  }
}
