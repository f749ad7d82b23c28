/**
 * Objects of one kind in memory, updated by a {@link Reflector}, with handlers for each change: an informer
 * like client-go's, for plain objects. Resource versions of one kind are compared as numbers (KEP-5504,
 * Kubernetes 1.35). This orders lists, watch events and our own writes: an older state never replaces a newer
 * one.
 */
import type { Logger } from 'pino';
import { ResourceEventType } from './event-types.js';
import type { KubeClient } from './kube-client.js';
import type { KubeObject, ResourceType } from './kube-types.js';
import type { Selection } from './list-all.js';
import { type CacheTiming, defaultTiming, Reflector, type Sink } from './reflector.js';
import { type Indexers, keyOf, Store, versionOf } from './store.js';

export { type CacheTiming, defaultTiming } from './reflector.js';

export interface CacheOptions extends Omit<Selection, 'namespace'> {
  /** Namespaces to watch, with one watch per namespace. Empty: all namespaces. */
  namespaces?: readonly string[];
  indexers?: Indexers;
  /** Reduces an object before it is cached. It must keep name, namespace, uid and resourceVersion. */
  transform?: (object: KubeObject) => KubeObject;
}

/** A change of an object; `old` is the previously cached object. */
export interface CacheEvent {
  type: ResourceEventType;
  object: KubeObject;
  old?: KubeObject;
}

export type CacheHandler = (event: CacheEvent) => void;

export class ResourceCache {
  private isAvailable = true;
  private readonly store: Store;
  private readonly handlers: CacheHandler[] = [];
  private readonly availabilityHandlers: ((available: boolean) => void)[] = [];
  private readonly firstSync = Promise.withResolvers<void>();
  /** Reflectors by namespace; `undefined` is the key of a cluster-wide one. */
  private readonly reflectors: ReadonlyMap<string | undefined, Reflector>;
  private readonly unsynced: Set<string | undefined>;

  constructor(
    readonly type: ResourceType,
    client: KubeClient,
    private readonly logger: Logger,
    private readonly options: CacheOptions = {},
    timing: CacheTiming = defaultTiming,
  ) {
    const { namespaces = [], labelSelector, fieldSelector, indexers } = options;
    this.store = new Store(indexers);
    const scopes: (string | undefined)[] = namespaces.length > 0 ? [...namespaces] : [undefined];
    this.unsynced = new Set(scopes);
    this.reflectors = new Map(
      scopes.map((namespace) => {
        const selection = { namespace, labelSelector, fieldSelector };
        return [namespace, new Reflector(type, client, this.sinkOf(namespace), logger, selection, timing)];
      }),
    );
  }

  /** False while the kind is not installed in the cluster. */
  get available(): boolean {
    return this.isAvailable;
  }

  /** Resolves after the first list, or when the kind is not installed. */
  get synced(): Promise<void> {
    return this.firstSync.promise;
  }

  get(namespace: string | undefined, name: string): KubeObject | undefined {
    return this.store.get(keyOf({ metadata: { namespace, name } }));
  }

  list(): KubeObject[] {
    return this.store.values();
  }

  byIndex(index: string, value: string): KubeObject[] {
    return this.store.byIndex(index, value);
  }

  /**
   * Adds a handler for each change. It is called after the cache was updated. A handler that throws is logged
   * and ignored.
   */
  on(handler: CacheHandler): void {
    this.handlers.push(handler);
  }

  /** Adds a handler for the installation and removal of the kind, called after {@link available} changed. */
  onAvailability(handler: (available: boolean) => void): void {
    this.availabilityHandlers.push(handler);
  }

  /** Milliseconds since the last data of the API server on this watch. */
  silentForMs(): number {
    const silences = [...this.reflectors.values()].map((reflector) => reflector.silentForMs());
    return this.isAvailable ? Math.max(...silences) : 0;
  }

  /**
   * Stores the response to our own write, so that the next reconcile reads it before the watch event arrives.
   * If the watch is already past that version, the response is stale and ignored. In contrast to waiting for
   * the watch (expectations of client-go), no timeout is needed if the object leaves the selection or is
   * deleted immediately. The object must match the selector of the cache.
   */
  noteWrite(written: KubeObject): void {
    const reflector = this.reflectors.get(written.metadata.namespace) ?? this.reflectors.get(undefined);
    if (!reflector || versionOf(written) <= reflector.newestVersion) return;
    const kept = this.cut(written);
    if (kept) this.take(kept);
  }

  /** Lists again. When it resolves, the cache is not older than the call. */
  async renew(): Promise<void> {
    await Promise.all([...this.reflectors.values()].map((reflector) => reflector.renew()));
  }

  /** Lists and watches until the signal fires. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([...this.reflectors.values()].map((reflector) => reflector.run(signal)));
  }

  private sinkOf(scope: string | undefined): Sink {
    return {
      cut: (object) => this.cut(object),
      replace: (items, version, wentBack) => this.replace(scope, items, Number(version), wentBack),
      put: (object) => this.guarded(() => this.take(object)),
      remove: (object) => this.guarded(() => this.remove(object)),
      isEmpty: () => this.within(scope).length === 0,
      absent: () => this.clear(scope),
    };
  }

  private within(scope: string | undefined): KubeObject[] {
    const all = this.store.values();
    return scope === undefined ? all : all.filter(({ metadata }) => metadata.namespace === scope);
  }

  /** Processes a list: missing objects were deleted, unless we wrote them after the list was created. */
  private replace(
    scope: string | undefined,
    items: KubeObject[],
    listVersion: number,
    wentBack: boolean,
  ): void {
    const listed = new Set(items.map(keyOf));
    for (const object of this.within(scope)) {
      const key = keyOf(object);
      if (!listed.has(key) && (wentBack || versionOf(object) <= listVersion))
        this.guarded(() => this.drop(key, object));
    }
    for (const item of items) this.guarded(() => this.take(item, wentBack));
    this.setAvailable(true);
    this.learned(scope);
  }

  /** The first result for each namespace was received. */
  private learned(scope: string | undefined): void {
    this.unsynced.delete(scope);
    if (this.unsynced.size === 0) this.firstSync.resolve();
  }

  private take(fresh: KubeObject, evenIfOlder = false): void {
    const key = keyOf(fresh);
    const known = this.store.get(key);
    if (known && versionOf(known) >= versionOf(fresh) && !evenIfOlder) return;
    // Deleted and created again between two lists: two events, as in a watch.
    if (known && known.metadata.uid !== fresh.metadata.uid) this.drop(key, known);
    const old = this.store.put(fresh);
    this.emit({ type: old ? ResourceEventType.Modified : ResourceEventType.Added, object: fresh, old });
  }

  private remove(last: KubeObject): void {
    const key = keyOf(last);
    const known = this.store.get(key);
    // A newer object of the same name that we wrote was not deleted.
    if (known && versionOf(known) <= versionOf(last)) this.drop(key, last);
  }

  private drop(key: string, last: KubeObject): void {
    const old = this.store.remove(key);
    if (old) this.emit({ type: ResourceEventType.Deleted, object: last, old });
  }

  /** The kind was removed with all its objects. */
  private clear(scope: string | undefined): void {
    for (const object of this.within(scope)) this.drop(keyOf(object), object);
    this.setAvailable(false);
    this.learned(scope);
  }

  private setAvailable(available: boolean): void {
    if (available === this.isAvailable) return;
    this.isAvailable = available;
    const { kind, group } = this.type;
    this.logger.info({ kind, group, available }, 'CRD availability changed');
    for (const handler of this.availabilityHandlers) this.guarded(() => handler(available));
  }

  private cut(object: KubeObject): KubeObject | undefined {
    const { transform } = this.options;
    let kept: KubeObject | undefined = transform ? undefined : object;
    this.guarded(() => {
      kept ??= transform?.(object);
    });
    return kept;
  }

  private emit(event: CacheEvent): void {
    for (const handler of this.handlers) this.guarded(() => handler(event));
  }

  /**
   * A handler, transform or indexer that throws must not end the watch, which would receive the same object
   * again.
   */
  private guarded(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.logger.error({ err: error, kind: this.type.kind }, 'cache event handler failed');
    }
  }
}
