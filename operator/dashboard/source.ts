/** Where the dashboard reads: caches, never a request. */
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import { podsOf } from '../reconciler/caches.js';
import type { Pod } from '../reconciler/pod-state.js';
import type { ResourceCache } from '../runtime/resource-cache.js';
import { keyOf } from '../runtime/store.js';
import type { EventView } from './event-view.js';
import type { Seen } from './view/page-view.js';
import { WeightHistory } from './weight-history.js';

export interface DashboardSource {
  pcfApis(): PcfApi[];
  /** Undefined: there is no such PcfApi. */
  see(namespace: string, name: string): Seen | undefined;
  /** What can't be shown, and why. */
  notices(): string[];
  /** Calls after each change, until the function that it returns is called. */
  onChange(changed: () => void): () => void;
}

export interface SourceCaches {
  pcfApis: ResourceCache;
  /** Made with `POD_CACHE`. */
  pods?: ResourceCache;
  /** Of the PcfApis. */
  events?: ResourceCache;
}

/** Made before the caches run, so that it sees every change. */
export class CacheSource implements DashboardSource {
  private readonly listeners = new Set<() => void>();
  private readonly weights = new WeightHistory();

  constructor(
    private readonly caches: SourceCaches,
    private readonly missing: string[] = [],
  ) {
    caches.pcfApis.on(({ object, type }) => {
      if (type === 'DELETED') this.weights.forget(keyOf(object));
      else this.noteWeights(object as unknown as PcfApi);
    });
    for (const cache of [caches.pcfApis, caches.pods, caches.events])
      cache?.on(() => {
        for (const changed of this.listeners) changed();
      });
  }

  pcfApis(): PcfApi[] {
    return (this.caches.pcfApis.list() as unknown as PcfApi[]).sort(
      ({ metadata: a }, { metadata: b }) =>
        a.namespace.localeCompare(b.namespace) || a.name.localeCompare(b.name),
    );
  }

  see(namespace: string, name: string): Seen | undefined {
    const api = this.caches.pcfApis.get(namespace, name) as unknown as PcfApi | undefined;
    if (!api) return undefined;
    const key = keyOf(api);
    const pods = this.caches.pods ? (podsOf(this.caches.pods, key) as Pod[]) : [];
    const events = ((this.caches.events?.list() ?? []) as EventView[]).filter(
      ({ regarding }) => regarding?.uid === api.metadata.uid,
    );
    return { api, pods, events, weights: this.weights.of(key) };
  }

  notices(): string[] {
    return this.missing;
  }

  onChange(changed: () => void): () => void {
    this.listeners.add(changed);
    return () => void this.listeners.delete(changed);
  }

  private noteWeights({ metadata, status }: PcfApi): void {
    const { desiredWeight = 0, effectiveWeight = 0 } = status?.updateRevision ? (status.traffic ?? {}) : {};
    this.weights.note(keyOf({ metadata }), desiredWeight, effectiveWeight);
  }
}
