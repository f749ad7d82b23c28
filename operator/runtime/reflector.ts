/**
 * Mirrors one kind from the API server into a sink: existing objects, then all changes, across expired
 * versions, broken connections and throttling. It starts with a WatchList (KEP-3157; enabled by default since
 * Kubernetes 1.34): one request that streams existing objects, marks their end with a bookmark and continues
 * as a watch. It is a consistent read, so the state never goes back in time. If the API server does not
 * support it, LIST and WATCH are used.
 */
import type { Logger } from 'pino';
import { type BackoffPolicy, backoffMs } from './backoff.js';
import { pause, systemClock } from './clock.js';
import { isForbidden, isGone, isNotFound, KubeApiError, type KubeClient } from './kube-client.js';
import type { KubeList, KubeObject, ResourceType } from './kube-types.js';
import { listAll, type Selection } from './list-all.js';
import { keyOf } from './store.js';
import { readEvents, SilentWatchError, type WatchEvent } from './watch-stream.js';

export interface CacheTiming {
  /** Maximum silence of a healthy watch. Bookmarks are sent every 60 to 75 s. */
  silenceMs: number;
  /** Interval of checks whether a missing kind was installed. */
  absentPollMs: number;
  backoff: BackoffPolicy;
  /** Maximum silence during initial events. Default: 10 s. */
  initialSilenceMs?: number;
  /** Timeout of a watch at the API server: a random time from this to twice this. Default: 300 s. */
  watchSeconds?: number;
}

export const defaultTiming: CacheTiming = {
  silenceMs: 100_000,
  absentPollMs: 2_000,
  backoff: { baseMs: 800, maxMs: 30_000, jitter: 0.5 },
};

/** Receives the objects of a {@link Reflector}. Its methods must not throw. */
export interface Sink {
  /**
   * Returns the part of an object to cache; undefined: the object is not cached. Called for each object
   * instead of for the complete list, to limit memory at startup.
   */
  cut(object: KubeObject): KubeObject | undefined;
  /** All objects at this version. `wentBack`: it is older than a previous one, as after a restore of etcd. */
  replace(kept: KubeObject[], version: string, wentBack: boolean): void;
  put(kept: KubeObject): void;
  remove(kept: KubeObject): void;
  isEmpty(): boolean;
  /** The kind is not installed in the cluster. */
  absent(): void;
}

/** A watch of this age was successful: the next failure starts a new backoff. */
const HEALTHY_WATCH_MS = 1_000;
const INITIAL_SILENCE_MS = 10_000;
const WATCH_SECONDS = 300;
const INITIAL_EVENTS_END = 'k8s.io/initial-events-end';

class NoWatchListError extends Error {}
class RenewedError extends Error {}

export class Reflector {
  /** Version at which the watch continues; undefined: start with a list. */
  private version: string | undefined;
  /** Newest observed version of a list or event, as a number. */
  newestVersion = 0;
  private lastContactAt = performance.now();
  private failures = 0;
  private silences = 0;
  private notFound = 0;
  private streamsInitialEvents = true;
  private listedBefore = false;
  private attempt = new AbortController();
  /** Set from {@link renew} until the requested list was received. */
  private renewal: { begun: boolean; done: PromiseWithResolvers<void> } | undefined;

  constructor(
    private readonly type: ResourceType,
    private readonly client: KubeClient,
    private readonly sink: Sink,
    private readonly logger: Logger,
    private readonly selection: Selection,
    private readonly timing: CacheTiming,
  ) {}

  /** Milliseconds since the last data from the API server. */
  silentForMs(): number {
    return performance.now() - this.lastContactAt;
  }

  /**
   * Lists again and continues to watch from there. Resolves when the list was received: afterwards the state
   * is not older than the call, even if the previous connection had failed silently.
   */
  renew(): Promise<void> {
    this.renewal ??= { begun: false, done: Promise.withResolvers<void>() };
    this.renewal.begun = false;
    this.attempt.abort(new RenewedError());
    return this.renewal.done.promise;
  }

  /** Mirrors until the signal fires. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const startedAt = performance.now();
      this.begin();
      try {
        if (this.version === undefined && !this.streamsInitialEvents) await this.list(signal);
        await this.watch(signal);
        // A watch that the server closes immediately and repeatedly must not be a busy loop.
        if (performance.now() - startedAt < HEALTHY_WATCH_MS) throw new Error('the watch ended immediately');
      } catch (error) {
        if (performance.now() - startedAt >= HEALTHY_WATCH_MS) this.failures = 0;
        if (!signal.aborted) await this.recover(error, signal);
      }
    }
  }

  private begin(): void {
    this.attempt = new AbortController();
    if (!this.renewal || this.renewal.begun) return;
    this.renewal.begun = true;
    this.version = undefined;
  }

  private async list(signal: AbortSignal): Promise<void> {
    const until = AbortSignal.any([signal, this.attempt.signal]);
    const { items, metadata } = await listAll(
      this.client,
      this.type,
      this.selection,
      !this.listedBefore,
      until,
    );
    this.startFrom({ items: items.flatMap((item) => this.sink.cut(item) ?? []), metadata });
  }

  private startFrom({ items, metadata }: KubeList): void {
    this.contact();
    this.listedBefore = true;
    const { resourceVersion } = metadata;
    this.sink.replace(items, resourceVersion, Number(resourceVersion) < this.newestVersion);
    this.advance(resourceVersion);
    this.renewed();
  }

  /** A list that was started before the request does not count. */
  private renewed(): void {
    if (!this.renewal?.begun) return;
    this.renewal.done.resolve();
    this.renewal = undefined;
  }

  private advance(version: string): void {
    this.version = version;
    this.newestVersion = Number(version);
  }

  private async watch(signal: AbortSignal): Promise<void> {
    const { attempt } = this;
    const { silenceMs, initialSilenceMs = INITIAL_SILENCE_MS, watchSeconds = WATCH_SECONDS } = this.timing;
    const isInitial = this.version === undefined;
    try {
      const body = await this.client.watch(
        this.type,
        {
          ...this.selection,
          // A random timeout spreads the reconnects of watches.
          timeoutSeconds: Math.round(watchSeconds * (1 + Math.random())),
          ...(isInitial
            ? { sendInitialEvents: true, resourceVersionMatch: 'NotOlderThan' }
            : { resourceVersion: this.version }),
        },
        AbortSignal.any([signal, attempt.signal]),
      );
      this.contact();
      const limitMs = () => (this.version === undefined ? initialSilenceMs : silenceMs);
      const initial = new Map<string, KubeObject>();
      for await (const event of readEvents(body, limitMs, (reason) => attempt.abort(reason))) {
        this.contact();
        if (event.type === 'ERROR') throw watchError(event.object);
        if (this.version === undefined) this.gather(event, initial);
        else this.handle(event);
      }
      if (this.version === undefined) throw new Error('the watch ended amid its initial events');
    } catch (error) {
      if (this.version === undefined && isUnsupported(error)) throw new NoWatchListError();
      throw error;
    } finally {
      attempt.abort();
    }
  }

  /** Passes the initial events on after their end, so that missing objects count as deleted. */
  private gather({ type, object }: WatchEvent, initial: Map<string, KubeObject>): void {
    if (type === 'ADDED' || type === 'MODIFIED') {
      const kept = this.sink.cut(object);
      if (kept) initial.set(keyOf(object), kept);
    }
    if (type === 'DELETED') initial.delete(keyOf(object));
    if (type !== 'BOOKMARK' || object.metadata.annotations?.[INITIAL_EVENTS_END] !== 'true') return;
    const resourceVersion = object.metadata.resourceVersion ?? '';
    this.startFrom({ items: [...initial.values()], metadata: { resourceVersion } });
    initial.clear();
  }

  private handle({ type, object }: WatchEvent): void {
    if (!object.metadata.resourceVersion) throw new Error('an event of a watch has no resourceVersion');
    this.silences = 0;
    const kept = type === 'BOOKMARK' ? undefined : this.sink.cut(object);
    if (kept && type === 'DELETED') this.sink.remove(kept);
    else if (kept) this.sink.put(kept);
    this.advance(object.metadata.resourceVersion);
  }

  private contact(): void {
    this.lastContactAt = performance.now();
    this.notFound = 0;
  }

  private async recover(error: unknown, signal: AbortSignal): Promise<void> {
    if (this.renewal && !this.renewal.begun) return;
    if (error instanceof NoWatchListError) {
      this.streamsInitialEvents = false;
      return;
    }
    if (isNotFound(error) && this.isAbsent()) return this.waitForKind(signal);
    if (isGone(error)) this.version = undefined;
    // Silent twice: the version can be from before a restore of etcd, which no event ever follows.
    if (error instanceof SilentWatchError && ++this.silences > 1) this.version = undefined;
    this.failures += 1;
    const delayMs = this.delayAfter(error);
    // A single failure is often a restart of the API server or a closed connection.
    const level = this.failures > 3 || isForbidden(error) ? 'warn' : 'debug';
    const { kind } = this.type;
    this.logger[level]({ err: error, kind, delayMs: Math.round(delayMs) }, 'restarting watch');
    await this.pause(delayMs, signal);
  }

  /** Interrupted by {@link renew}. */
  private async pause(ms: number, signal: AbortSignal): Promise<void> {
    this.attempt = new AbortController();
    await pause(systemClock, ms, AbortSignal.any([signal, this.attempt.signal]));
  }

  /** The first retry is immediate; later ones use backoff, and respect Retry-After. */
  private delayAfter(error: unknown): number {
    const asked = error instanceof KubeApiError ? (error.retryAfterMs ?? 0) : 0;
    if (isNotFound(error)) return this.timing.absentPollMs;
    const own = this.failures === 1 ? 0 : backoffMs(this.failures - 1, this.timing.backoff);
    return Math.max(asked, own);
  }

  /**
   * A kind with cached objects is not removed before their deletion is observed. Its first 404 is more likely
   * from an API server that is not up to date.
   */
  private isAbsent(): boolean {
    this.notFound += 1;
    return this.sink.isEmpty() || this.notFound > 1;
  }

  private async waitForKind(signal: AbortSignal): Promise<void> {
    this.version = undefined;
    this.failures = 0;
    this.contact();
    this.sink.absent();
    this.renewed();
    await this.pause(this.timing.absentPollMs * (0.75 + 0.5 * Math.random()), signal);
  }
}

function watchError({ code, reason, message }: WatchEvent['object']): KubeApiError {
  return new KubeApiError(code ?? 500, reason ?? 'Unknown', message ?? 'error event of a watch');
}

/**
 * A server without WatchList rejects the request as invalid; one that ignores the parameter never ends the
 * initial events.
 */
function isUnsupported(error: unknown): boolean {
  if (error instanceof KubeApiError) return error.status === 400 || error.status === 422;
  return error instanceof SilentWatchError;
}
