/**
 * List, then watch: the reflector and informer of client-go in one, for plain objects.
 *
 * What client-node's informer does not do, and this does: relist on 410 and see what
 * was deleted in the gap, ask for bookmarks, notice a connection that is open and
 * dead, back off with jitter, survive handlers that throw, and wait for a CRD.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { type BackoffPolicy, backoffMs } from './backoff.js';
import { ResourceEventType } from './event-types.js';
import {
  isGone,
  isNotFound,
  KubeApiError,
  type KubeClient,
  type KubeObject,
  type ResourceType,
} from './kube-client.js';
import { type Indexers, keyOf, Store, versionOf } from './store.js';
import { readEvents, type WatchEvent } from './watch-stream.js';

export interface CacheOptions {
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
  indexers?: Indexers;
  /** Cuts an object down before it is kept. */
  transform?: (object: KubeObject) => KubeObject;
}

export interface CacheTiming {
  /** Longest silence of a healthy watch. Bookmarks come about every 60 s. */
  silenceMs: number;
  /** How often to look for a kind that the cluster does not have. */
  absentPollMs: number;
  backoff: BackoffPolicy;
}

export const defaultTiming: CacheTiming = {
  silenceMs: 100_000,
  absentPollMs: 2_000,
  backoff: { baseMs: 800, maxMs: 30_000, jitter: 0.5 },
};

/** A watch that lasted this long was no failure. */
const HEALTHY_WATCH_MS = 1_000;

/** What happened to an object; `old` is what was known of it before. */
export interface CacheEvent {
  type: ResourceEventType;
  object: KubeObject;
  old?: KubeObject;
}

export type CacheHandler = (event: CacheEvent) => void;

export class ResourceCache {
  /** False while the cluster does not have this kind. */
  available = true;
  private readonly store: Store;
  private readonly handlers: CacheHandler[] = [];
  private readonly availabilityHandlers: (() => void)[] = [];
  private readonly firstSync = Promise.withResolvers<void>();
  /** Newest version that was listed or streamed; undefined: none yet. */
  private streamVersion: string | undefined;
  /** A watch can't go on from `streamVersion`: something may have happened that it would not tell. */
  private mustList = true;
  private failures = 0;
  private lastContactAt = performance.now();

  constructor(
    readonly type: ResourceType,
    private readonly client: KubeClient,
    private readonly logger: Logger,
    private readonly options: CacheOptions = {},
    private readonly timing: CacheTiming = defaultTiming,
  ) {
    this.store = new Store(options.indexers);
  }

  /** Resolves after the first list, or once it is known that the cluster lacks the kind. */
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

  on(handler: CacheHandler): void {
    this.handlers.push(handler);
  }

  /** Calls the handler when the kind was installed in the cluster, or removed from it. */
  onAvailability(handler: () => void): void {
    this.availabilityHandlers.push(handler);
  }

  /** How long ago the API server was last heard on this watch, in milliseconds. */
  silentForMs(): number {
    return this.available ? performance.now() - this.lastContactAt : 0;
  }

  /**
   * Takes in what the API server answered to a write of ours, so that the next
   * reconcile sees it though the watch has not brought it yet. If the stream is
   * already past that version, it has brought it, or its deletion: then this is stale.
   */
  noteWrite(written: KubeObject): void {
    if (versionOf(written) <= Number(this.streamVersion ?? 0)) return;
    this.take(written);
  }

  /** Lists and watches until the signal. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        if (this.mustList) await this.relist(signal);
        await this.watch(signal);
      } catch (error) {
        if (!signal.aborted) await this.recover(error, signal);
      }
    }
  }

  private async relist(signal: AbortSignal): Promise<void> {
    const { namespace, labelSelector, fieldSelector } = this.options;
    const query = { namespace, labelSelector, fieldSelector };
    // The first list may come from the API server's cache; after a gap it must not be older than what we had.
    const first = this.streamVersion === undefined ? { resourceVersion: '0' } : { limit: 500 };
    let page = await this.client.list(this.type, { ...query, ...first }, signal);
    const listVersion = page.metadata.resourceVersion;
    const items = [...page.items];
    while (page.metadata.continue) {
      page = await this.client.list(
        this.type,
        { ...query, limit: 500, continue: page.metadata.continue },
        signal,
      );
      items.push(...page.items);
    }
    this.contact();
    this.setAvailable(true);
    this.replace(items, Number(listVersion));
    this.streamVersion = listVersion;
    this.mustList = false;
    this.firstSync.resolve();
  }

  /** Takes a list: what it lacks was deleted while we did not look, unless we wrote it after the list was made. */
  private replace(items: KubeObject[], listVersion: number): void {
    const apiVersion = this.type.group ? `${this.type.group}/${this.type.version}` : this.type.version;
    const listed = new Set<string>();
    for (const item of items) {
      listed.add(keyOf(item));
      this.take({ ...item, apiVersion, kind: this.type.kind });
    }
    for (const key of this.store.keys()) {
      const object = this.store.get(key)!;
      if (!listed.has(key) && versionOf(object) <= listVersion) this.drop(key, object);
    }
  }

  private async watch(signal: AbortSignal): Promise<void> {
    const { namespace, labelSelector, fieldSelector } = this.options;
    const attempt = new AbortController();
    const stop = AbortSignal.any([signal, attempt.signal]);
    const timeoutSeconds = Math.round(300 + 300 * Math.random());
    const startedAt = performance.now();
    try {
      const body = await this.client.watch(
        this.type,
        { namespace, labelSelector, fieldSelector, resourceVersion: this.streamVersion, timeoutSeconds },
        stop,
      );
      this.contact();
      for await (const event of readEvents(body, this.timing.silenceMs, (reason) => attempt.abort(reason))) {
        this.contact();
        this.handle(event);
        if (performance.now() - startedAt > HEALTHY_WATCH_MS) this.failures = 0;
      }
    } finally {
      attempt.abort();
    }
    // A watch that the server ends at once, again and again, must not become a busy loop.
    if (performance.now() - startedAt < HEALTHY_WATCH_MS)
      throw new Error('the watch ended as soon as it began');
  }

  private handle({ type, object }: WatchEvent): void {
    if (type === 'ERROR')
      throw new KubeApiError(object.code ?? 500, object.reason ?? 'Unknown', object.message ?? 'watch error');
    if (type === 'DELETED') this.takeDeletion(object);
    else if (type !== 'BOOKMARK') this.take(object);
    this.streamVersion = object.metadata.resourceVersion;
  }

  private take(fresh: KubeObject): void {
    const known = this.store.get(keyOf(fresh));
    if (known && versionOf(known) >= versionOf(fresh)) return;
    const object = this.cut(fresh);
    const old = this.store.put(object);
    this.emit({ type: old ? ResourceEventType.Modified : ResourceEventType.Added, object, old });
  }

  /** Unless it is the end of a forerunner, and we know of the object that came after it from a write of ours. */
  private takeDeletion(last: KubeObject): void {
    const key = keyOf(last);
    const known = this.store.get(key);
    if (known && versionOf(known) <= versionOf(last)) this.drop(key, this.cut(last));
  }

  private drop(key: string, last: KubeObject): void {
    const old = this.store.remove(key);
    if (old) this.emit({ type: ResourceEventType.Deleted, object: last, old });
  }

  private cut(object: KubeObject): KubeObject {
    return this.options.transform?.(object) ?? object;
  }

  private emit(event: CacheEvent): void {
    for (const handler of this.handlers) this.guarded(() => handler(event));
  }

  private guarded(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.logger.error({ err: error, kind: this.type.kind }, 'a handler of a cache threw');
    }
  }

  private setAvailable(available: boolean): void {
    if (this.available === available) return;
    this.available = available;
    this.logger.info(
      { kind: this.type.kind, group: this.type.group, available },
      'a kind came to the cluster or left it',
    );
    for (const handler of this.availabilityHandlers) this.guarded(handler);
  }

  private contact(): void {
    this.lastContactAt = performance.now();
  }

  private async recover(error: unknown, signal: AbortSignal): Promise<void> {
    if (isNotFound(error)) return this.waitForKind(signal);
    if (isGone(error)) this.mustList = true;
    this.failures += 1;
    // The first failure is often a restart of the API server or the end of a connection: look again at once.
    const asked = error instanceof KubeApiError ? (error.retryAfterMs ?? 0) : 0;
    const delayMs = Math.max(
      asked,
      this.failures === 1 ? 0 : backoffMs(this.failures - 1, this.timing.backoff),
    );
    const level = this.failures > 3 ? 'warn' : 'debug';
    this.logger[level](
      { err: error, kind: this.type.kind, delayMs: Math.round(delayMs) },
      'a watch is begun again',
    );
    await pause(delayMs, signal);
  }

  /** The kind is not installed, or was removed and all its objects with it. */
  private async waitForKind(signal: AbortSignal): Promise<void> {
    this.mustList = true;
    for (const key of this.store.keys()) this.drop(key, this.store.get(key)!);
    this.setAvailable(false);
    this.firstSync.resolve();
    await pause(this.timing.absentPollMs, signal);
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {});
}
