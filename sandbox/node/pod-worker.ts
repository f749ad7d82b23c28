/** A pod: its containers, its status, its graceful termination. */
import type { ChildProcess } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import {
  isConflict,
  isNotFound,
  type KubeClient,
  type ResourceType,
} from '../../operator/runtime/kube-client.js';
import type { Ledger } from '../process/ledger.js';
import { freePorts } from '../process/ports.js';
import type { AddressBook } from './address-book.js';
import { ContainerRunner } from './container-runner.js';
import { logFileOf } from './launch.js';
import type { LogFile } from './log-server.js';
import { type PodStatus, podStatus } from './pod-status.js';
import { type ReferenceSource, References } from './references.js';
import { now } from './time.js';
import type { Container, Pod } from './types.js';
import { hasLiveVolumes, refreshVolumes } from './volumes.js';

/** Delay of changes in Secret volumes; up to a minute in the kubelet. */
const REFRESH_MS = 2_000;

export const PodKind: ResourceType = {
  group: '',
  version: 'v1',
  kind: 'Pod',
  plural: 'pods',
  namespaced: true,
};

export interface PodContext {
  client: KubeClient;
  references: ReferenceSource;
  ledger: Ledger;
  addresses: AddressBook;
  imagesDir: string;
  podsDir: string;
  crashLoopBaseMs: number;
  crashLoopMaxMs: number;
  onError: (error: unknown) => void;
}

export class PodWorker {
  private initRunners: ContainerRunner[] = [];
  private runners: ContainerRunner[] = [];
  private readonly address: string;
  private readonly folder: string;
  private readonly startTime = now();
  private ended = false;
  private deleting: Promise<void> | undefined;
  private reporting: Promise<void> = Promise.resolve();
  private reportQueued = false;
  private reported: PodStatus | undefined;
  private refreshing: NodeJS.Timeout | undefined;

  constructor(
    private readonly pod: Pod,
    private readonly context: PodContext,
  ) {
    this.address = context.addresses.newAddress();
    this.folder = join(context.podsDir, pod.metadata.uid ?? pod.metadata.name);
  }

  get namespace(): string {
    return this.pod.metadata.namespace ?? 'default';
  }

  async start(): Promise<void> {
    const { containers, initContainers = [] } = this.pod.spec;
    const ports = await this.assignPorts();
    const runner = (container: Container, once: boolean) =>
      new ContainerRunner(
        this.pod,
        container,
        {
          ...this.context,
          podIp: this.address,
          podFolder: this.folder,
          ports,
          onChange: () => this.report(),
        },
        once,
      );
    this.initRunners = initContainers.map((container) => runner(container, true));
    this.runners = containers.map((container) => runner(container, false));
    if (this.initRunners.length > 0)
      for (const one of this.runners) one.state = { waiting: { reason: 'PodInitializing' } };
    // It may have been deleted before it started.
    if (!this.deleting && (await this.initialise())) await Promise.all(this.runners.map((one) => one.run()));
    clearTimeout(this.refreshing);
    this.ended = true;
    this.report();
  }

  /** Terminates a deleted pod gracefully, then removes it from the API server. */
  delete(graceSeconds: number): Promise<void> {
    this.deleting ??= this.end(graceSeconds);
    return this.deleting;
  }

  /** Kills the processes immediately, as at the end of the node. */
  kill(): void {
    for (const runner of [...this.initRunners, ...this.runners]) runner.kill();
  }

  /** Sends a signal from outside of the node. Restart policy and probes handle the result. */
  signal(signal: NodeJS.Signals): void {
    for (const runner of this.runners) runner.signal(signal);
  }

  /** Log of the newest or the previous run of a container. */
  log(container: string, previous: boolean): LogFile | undefined {
    const runner = [...this.runners, ...this.initRunners].find((one) => one.container.name === container);
    if (!runner) return undefined;
    const run = runner.restartCount - (previous ? 1 : 0);
    const path = logFileOf(this.folder, container, run);
    return { path, open: () => runner.restartCount === run && runner.state.running !== undefined };
  }

  /** Starts a command in a running container; undefined if there is none. */
  exec(container: string, command: readonly string[]): ChildProcess | undefined {
    return this.runners.find((one) => one.container.name === container)?.exec(command);
  }

  /** A Secret or ConfigMap of its namespace has changed. */
  referencesChanged(): void {
    if (this.refreshing || this.ended || !hasLiveVolumes(this.pod)) return;
    this.refreshing = setTimeout(() => {
      this.refreshing = undefined;
      const references = new References(this.context.references, this.namespace);
      refreshVolumes(this.pod, this.folder, references, this.address).catch((error: unknown) => {
        this.context.onError(error);
        this.referencesChanged(); // for example while the API server is unavailable
      });
    }, REFRESH_MS);
  }

  /** A free local port per container port. */
  private async assignPorts(): Promise<Map<number, number>> {
    const { containers, initContainers = [] } = this.pod.spec;
    const declared = [...initContainers, ...containers].flatMap(({ ports = [] }) =>
      ports.map(({ containerPort }) => containerPort),
    );
    const local = await freePorts(declared.length);
    const ports = new Map(declared.map((port, index) => [port, local[index]!]));
    for (const [port, localPort] of ports) this.context.addresses.set(this.address, port, localPort);
    return ports;
  }

  /** Runs the init containers sequentially. Returns false if one failed permanently. */
  private async initialise(): Promise<boolean> {
    for (const runner of this.initRunners) {
      await runner.run();
      if (runner.state.terminated?.exitCode !== 0) return false;
    }
    return true;
  }

  private async end(graceSeconds: number): Promise<void> {
    const { client, addresses } = this.context;
    const runners = [...this.initRunners, ...this.runners];
    await Promise.all(runners.map((runner) => runner.stop(graceSeconds * 1000)));
    this.report();
    await this.reporting;
    const { namespace, name, uid } = this.pod.metadata;
    await client.delete(PodKind, namespace, name, { uid, gracePeriodSeconds: 0 }).catch((error: unknown) => {
      // Not found, or a conflict with a newer pod of the same name: this pod was deleted.
      if (!isNotFound(error) && !isConflict(error)) this.context.onError(error);
    });
    addresses.forget(this.address);
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Writes the current status. Changes during a write are combined. */
  private report(): void {
    if (this.reportQueued) return;
    this.reportQueued = true;
    this.reporting = this.reporting.then(() => this.writeStatus());
  }

  private async writeStatus(): Promise<void> {
    this.reportQueued = false;
    const view = {
      pod: this.pod,
      podIp: this.address,
      startTime: this.startTime,
      initContainers: this.initRunners,
      containers: this.runners,
      ended: this.ended,
    };
    const status = podStatus(view, this.reported?.conditions ?? this.pod.status?.conditions ?? [], now());
    if (isDeepStrictEqual(status, this.reported)) return;
    const { namespace, name, uid } = this.pod.metadata;
    try {
      // With the uid, so that the status is not written to a newer pod of the same name.
      const patch = { metadata: { uid }, status };
      await this.context.client.patch(PodKind, namespace, name, patch, { subresource: 'status' });
      this.reported = structuredClone(status);
    } catch (error) {
      if (isNotFound(error) || isConflict(error)) return;
      this.context.onError(error);
      setTimeout(() => this.report(), 500).unref();
    }
  }
}
