/** Data source of the dashboard: caches only, without requests. */
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import { podsOf } from '../reconciler/caches.js';
import type { Pod } from '../reconciler/pod-state.js';
import type { CacheOptions, ResourceCache } from '../runtime/resource-cache.js';
import { keyOf } from '../runtime/store.js';
import type { EventView } from './event-view.js';
import type { Seen } from './view/page-view.js';
import { WeightHistory } from './weight-history.js';

export interface DashboardSource {
  /** In any order. */
  pcfApis(): PcfApi[];
  /** Undefined if the PcfApi does not exist. */
  see(namespace: string, name: string): Seen | undefined;
  /** Data that is not available, with the reason. */
  notices(): string[];
  /** Calls `changed` after each change. Returns a function that unsubscribes. */
  onChange(changed: () => void): () => void;
}

export interface SourceCaches {
  pcfApis: ResourceCache;
  /** Created with `POD_CACHE`. */
  pods?: ResourceCache;
  /** Created with {@link EVENT_CACHE}. */
  events?: ResourceCache;
}

const REGARDING = 'regarding';

/** Options of the cache of the Events of PcfApis. */
export const EVENT_CACHE: CacheOptions = {
  fieldSelector: 'regarding.kind=PcfApi',
  indexers: { [REGARDING]: (event) => [(event as EventView).regarding?.uid ?? ''] },
};

/** Must be created before the caches start, so that it observes every change. */
export class CacheSource implements DashboardSource {
  private readonly listeners = new Set<() => void>();
  private readonly weights = new WeightHistory();

  constructor(
    private readonly caches: SourceCaches,
    private readonly missing: string[] = [],
  ) {
    caches.pcfApis.on(({ object, type }) => {
      if (type === 'DELETED') this.weights.forget(keyOf(object));
      else this.recordWeights(object as unknown as PcfApi);
    });
    for (const cache of [caches.pcfApis, caches.pods, caches.events])
      cache?.on(() => {
        for (const changed of this.listeners) changed();
      });
  }

  pcfApis(): PcfApi[] {
    return this.caches.pcfApis.list() as unknown as PcfApi[];
  }

  see(namespace: string, name: string): Seen | undefined {
    const api = this.caches.pcfApis.get(namespace, name) as unknown as PcfApi | undefined;
    if (!api) return undefined;
    const key = keyOf(api);
    const pods = this.caches.pods ? (podsOf(this.caches.pods, key) as Pod[]) : [];
    const events = (this.caches.events?.byIndex(REGARDING, api.metadata.uid) ?? []) as EventView[];
    return { api, pods, events, weights: this.weights.of(key) };
  }

  notices(): string[] {
    return this.missing;
  }

  onChange(changed: () => void): () => void {
    this.listeners.add(changed);
    return () => void this.listeners.delete(changed);
  }

  private recordWeights({ metadata, status }: PcfApi): void {
    const { desiredWeight = 0, effectiveWeight = 0 } = status?.updateRevision ? (status.traffic ?? {}) : {};
    this.weights.record(keyOf({ metadata }), desiredWeight, effectiveWeight);
  }
}
