/** A minimal kubelet: registers a Node and runs the pods that are bound to it as local processes. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { KubeConfig } from '@kubernetes/client-node';
import type { Logger } from 'pino';
import { KubeClient } from '../../operator/runtime/kube-client.js';
import { ResourceCache } from '../../operator/runtime/resource-cache.js';
import type { Ledger } from '../process/ledger.js';
import { within } from '../process/within.js';
import { AddressBook } from './address-book.js';
import { type Identity, type LogFile, LogServer } from './log-server.js';
import { keepAlive, register } from './node-object.js';
import { PodKind, PodWorker } from './pod-worker.js';
import { ReferenceSource } from './references.js';
import type { Pod } from './types.js';

export interface ProcessNodeOptions {
  kubeConfig: KubeConfig;
  /** Certificates of the API server for requests of logs. */
  identity: Identity;
  stateDir: string;
  ledger: Ledger;
  logger: Logger;
  name?: string;
  imagesDir?: string;
  /** First delay of a crash loop; 10 s in the kubelet. */
  crashLoopBaseMs?: number;
}

export class ProcessNode {
  readonly addresses = new AddressBook();
  readonly imagesDir: string;
  private readonly client: KubeClient;
  private readonly pods: ResourceCache;
  private readonly references: ReferenceSource;
  private readonly logs: LogServer;
  private readonly workers = new Map<string, PodWorker>();
  private readonly stopping = new AbortController();
  private running: Promise<unknown> = Promise.resolve();
  private readonly name: string;

  constructor(private readonly options: ProcessNodeOptions) {
    this.name = options.name ?? 'sandbox';
    this.imagesDir = options.imagesDir ?? join(options.stateDir, 'images');
    this.client = new KubeClient(options.kubeConfig);
    this.pods = new ResourceCache(PodKind, this.client, options.logger, {
      fieldSelector: `spec.nodeName=${this.name}`,
    });
    this.references = new ReferenceSource(this.client, options.logger);
    this.references.onChange((namespace) => {
      for (const worker of this.workers.values())
        if (worker.namespace === namespace) worker.referencesChanged();
    });
    this.logs = new LogServer(
      options.identity,
      (...asked) => this.logOf(...asked),
      (namespace, pod, ...asked) => this.workerOf(namespace, pod)?.exec(...asked),
    );
    this.pods.on(({ type, object }) => this.onPod(type === 'DELETED', object as Pod));
  }

  /** Resolves when the node is registered and watches its pods. */
  async start(): Promise<void> {
    mkdirSync(this.imagesDir, { recursive: true });
    await register(this.client, this.name, await this.logs.listen());
    this.running = Promise.all([
      this.pods.run(this.stopping.signal),
      this.references.run(this.stopping.signal),
      keepAlive(this.client, this.name, this.stopping.signal, this.onError),
    ]);
    await within('the pods of the node are listed', this.pods.synced);
    await within('the Secrets and ConfigMaps are listed', this.references.synced);
  }

  /** Terminates all pods and stops watching. */
  async stop(): Promise<void> {
    this.stopping.abort();
    this.logs.stop();
    for (const worker of this.workers.values()) worker.kill();
    await this.running;
    await this.client.close();
  }

  /** Sends a signal to the processes of a pod, such as SIGKILL for out of memory. */
  signal(namespace: string, name: string, signal: NodeJS.Signals): void {
    this.workerOf(namespace, name)?.signal(signal);
  }

  private logOf(namespace: string, name: string, container: string, previous: boolean): LogFile | undefined {
    return this.workerOf(namespace, name)?.log(container, previous);
  }

  private workerOf(namespace: string, name: string): PodWorker | undefined {
    return this.workers.get(this.pods.get(namespace, name)?.metadata.uid ?? '');
  }

  private onPod(deleted: boolean, pod: Pod): void {
    const uid = pod.metadata.uid ?? '';
    const worker = this.workers.get(uid);
    if (deleted) {
      this.workers.delete(uid);
      // Force-deleted from the API server: no grace period.
      worker?.kill();
      void worker?.delete(0);
      return;
    }
    if (pod.metadata.deletionTimestamp) {
      const grace =
        (pod.metadata as { deletionGracePeriodSeconds?: number }).deletionGracePeriodSeconds ?? 30;
      if (worker) void worker.delete(grace);
      else
        void this.client
          .delete(PodKind, pod.metadata.namespace, pod.metadata.name, { uid, gracePeriodSeconds: 0 })
          .catch(this.onError);
      return;
    }
    if (worker || pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed') return;
    this.startPod(uid, pod);
  }

  private startPod(uid: string, pod: Pod): void {
    const { ledger, stateDir, crashLoopBaseMs = 10_000 } = this.options;
    const worker = new PodWorker(pod, {
      client: this.client,
      references: this.references,
      ledger,
      addresses: this.addresses,
      imagesDir: this.imagesDir,
      podsDir: join(stateDir, 'pods'),
      crashLoopBaseMs,
      crashLoopMaxMs: 300_000,
      onError: this.onError,
    });
    this.workers.set(uid, worker);
    worker.start().catch(this.onError);
  }

  private readonly onError = (error: unknown): void => {
    if (!this.stopping.signal.aborted) this.options.logger.warn({ err: error }, 'process node action failed');
  };
}
