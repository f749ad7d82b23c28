/** Watches a PcfApi, so that scenarios can wait for a status. */
import type { Logger } from 'pino';
import type { KubeClient, KubeObject, ResourceType } from '../../operator/runtime/kube-client.js';
import { ResourceCache } from '../../operator/runtime/resource-cache.js';
import { within } from '../process/within.js';

export const PcfApiKind: ResourceType = {
  group: 'pcf.dev',
  version: 'v1alpha1',
  kind: 'PcfApi',
  plural: 'pcfapis',
  namespaced: true,
};

export const PcfWindowKind: ResourceType = {
  ...PcfApiKind,
  kind: 'PcfWindow',
  plural: 'pcfwindows',
  namespaced: false,
};

export interface PcfApiView extends KubeObject {
  spec: { image: string; canaryWeight?: number };
  status?: {
    observedGeneration?: number;
    phase?: string;
    reason?: string;
    replicas?: number;
    readyReplicas?: number;
    stableRevision?: string;
    stableImage?: string;
    updateRevision?: string;
    updateImage?: string;
    conditions?: {
      type: string;
      status: string;
      reason: string;
      message: string;
      observedGeneration?: number;
    }[];
    revisions?: {
      name: string;
      replicas: number;
      readyReplicas: number;
      weight: number;
      workers?: { readyReplicas: number; share: number };
    }[];
    history?: { revision: string; outcome: string; reason?: string; by?: string; firstTrafficAt?: string }[];
    failed?: { revision: string; reason: string; message: string; at: string };
    delivery?: { failed?: { revision: string; reason: string } };
    windows?: { state: string };
    analysis?: {
      revision: string;
      verdict: string;
      message: string;
      metrics: {
        name: string;
        bound: string;
        since: string;
        value?: string;
        stableValue?: string;
        lastMeasuredAt?: string;
        outcome?: string;
        detail?: string;
      }[];
    };
    traffic?: { desiredWeight: number; effectiveWeight: number; verified: boolean; stickyCookie?: string };
    migration?: {
      state: string;
      phase?: string;
      applied?: string[];
      message?: string;
      waitingFor?: string;
      approval?: string;
      contractAt?: string;
      pending?: { name: string; phase: string }[];
      progress?: {
        name: string;
        rows: number;
        total: number;
        rowsPerSecond: number;
        secondsLeft?: number;
      };
      summary?: string;
      job?: string;
      lockHolder?: { lock: string; pid: number; application: string };
      rollbackFloor?: { revision: string; number: number; migrations: string[] };
    };
  };
}

export class PcfApiWatch {
  private readonly cache: ResourceCache;
  private readonly stopping = new AbortController();
  private running: Promise<void> = Promise.resolve();

  constructor(
    client: KubeClient,
    logger: Logger,
    private readonly namespace: string,
    private readonly name: string,
  ) {
    this.cache = new ResourceCache(PcfApiKind, client, logger, {
      namespaces: [namespace],
      fieldSelector: `metadata.name=${name}`,
    });
  }

  async start(): Promise<void> {
    this.running = this.cache.run(this.stopping.signal);
    await within(`PcfApi ${this.namespace}/${this.name} is listed`, this.cache.synced);
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  now(): PcfApiView | undefined {
    return this.cache.get(this.namespace, this.name) as PcfApiView | undefined;
  }

  /** Calls the listener after each change while the watch runs. */
  onChange(listener: () => void): void {
    this.cache.on(listener);
  }

  /**
   * Resolves when the status is up to date with the spec and the check succeeds; throws the last message
   * after the timeout.
   */
  until(what: string, check: (api: PcfApiView | undefined) => boolean, timeoutMs = 180_000): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const api = this.now();
        const current = !api || api.status?.observedGeneration === api.metadata.generation;
        if (!current || !check(api)) return;
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(() => {
        const { phase, conditions } = this.now()?.status ?? {};
        const message = conditions?.find(({ type }) => type === 'Ready')?.message ?? 'no status';
        reject(new Error(`${what}: not within ${timeoutMs / 1000} s; phase ${phase ?? 'none'}: ${message}`));
      }, timeoutMs);
      this.cache.on(look);
      look();
    });
  }
}
