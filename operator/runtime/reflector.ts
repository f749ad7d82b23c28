/**
 * Mirrors one kind of object from the API server into a sink: what there is, then
 * every change, across expired versions, cut and dead connections, and throttling.
 *
 * It begins with a WatchList (KEP-3157; on by default since Kubernetes 1.34): one
 * request that streams what there is, marks the end with a bookmark and continues as a
 * watch. It is a consistent read, so nothing goes back in time after a gap. An API
 * server that refuses it, or knows no such mark, gets LIST and then WATCH.
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
  /** Longest silence of a healthy watch. Bookmarks come every 60 to 75 s. */
  silenceMs: number;
  /** How often to look for a kind that the cluster does not have. */
  absentPollMs: number;
  backoff: BackoffPolicy;
  /** Longest silence within the stream of initial events; 10 s when left out. */
  initialSilenceMs?: number;
  /** When the API server is asked to end a watch: a time from this to twice this; 300 s when left out. */
  watchSeconds?: number;
}

export const defaultTiming: CacheTiming = {
  silenceMs: 100_000,
  absentPollMs: 2_000,
  backoff: { baseMs: 800, maxMs: 30_000, jitter: 0.5 },
};

/** Where a {@link Reflector} puts what it learns. None of these may throw. */
export interface Sink {
  /**
   * What is to be kept of an object that was read; undefined for nothing. Asked at once, and
   * not when all is there: at the start that would be most of the memory.
   */
  cut(object: KubeObject): KubeObject | undefined;
  /** Everything there is, as of the version. `wentBack`: older than what was seen before, as after a restore of etcd. */
  replace(kept: KubeObject[], version: string, wentBack: boolean): void;
  put(kept: KubeObject): void;
  remove(kept: KubeObject): void;
  isEmpty(): boolean;
  /** The cluster does not have this kind. */
  absent(): void;
}

/** A watch that lived this long was a success: the next failure is a new one. */
const HEALTHY_WATCH_MS = 1_000;
const INITIAL_SILENCE_MS = 10_000;
const WATCH_SECONDS = 300;
const INITIAL_EVENTS_END = 'k8s.io/initial-events-end';

class NoWatchListError extends Error {}
class RenewedError extends Error {}

export class Reflector {
  /** Where the watch continues; undefined: start over from what there is. */
  private version: string | undefined;
  /** Newest version there was a list or event of, as a number. */
  newestVersion = 0;
  private lastContactAt = performance.now();
  private failures = 0;
  private silences = 0;
  private notFound = 0;
  private streamsInitialEvents = true;
  private listedBefore = false;
  private attempt = new AbortController();
  /** Set from {@link renew} until what it asked for is in. */
  private renewal: { begun: boolean; done: PromiseWithResolvers<void> } | undefined;

  constructor(
    private readonly type: ResourceType,
    private readonly client: KubeClient,
    private readonly sink: Sink,
    private readonly logger: Logger,
    private readonly selection: Selection,
    private readonly timing: CacheTiming,
  ) {}

  /** How long ago the API server was last heard, in milliseconds. */
  silentForMs(): number {
    return performance.now() - this.lastContactAt;
  }

  /**
   * Reads everything again, as new as it is now, and watches on from there. Resolves once that is
   * in: then a connection that died without a word has hidden nothing that was there at the call.
   */
  renew(): Promise<void> {
    this.renewal ??= { begun: false, done: Promise.withResolvers<void>() };
    this.renewal.begun = false;
    this.attempt.abort(new RenewedError());
    return this.renewal.done.promise;
  }

  /** Mirrors until the signal. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const startedAt = performance.now();
      this.begin();
      try {
        if (this.version === undefined && !this.streamsInitialEvents) await this.list(signal);
        await this.watch(signal);
        // One that the server ends at once, again and again, must not become a busy loop.
        if (performance.now() - startedAt < HEALTHY_WATCH_MS)
          throw new Error('the watch ended as soon as it began');
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

  /** What began before it was asked for is no answer. */
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
          // A random end keeps watches from ending, and beginning again, all at once.
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

  /** Hands the initial events over at their end and not before, so that what is missing counts as deleted. */
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
    // Silent twice over: maybe a version from before etcd was restored, which nothing ever follows.
    if (error instanceof SilentWatchError && ++this.silences > 1) this.version = undefined;
    this.failures += 1;
    const delayMs = this.delayAfter(error);
    // One failure is often a restart of the API server or the end of a connection.
    const level = this.failures > 3 || isForbidden(error) ? 'warn' : 'debug';
    const { kind } = this.type;
    this.logger[level]({ err: error, kind, delayMs: Math.round(delayMs) }, 'a watch is begun again');
    await this.pause(delayMs, signal);
  }

  /** Cut short by {@link renew}. */
  private async pause(ms: number, signal: AbortSignal): Promise<void> {
    this.attempt = new AbortController();
    await pause(systemClock, ms, AbortSignal.any([signal, this.attempt.signal]));
  }

  /** The first try comes at once; then ever later; never sooner than the API server asked. */
  private delayAfter(error: unknown): number {
    const asked = error instanceof KubeApiError ? (error.retryAfterMs ?? 0) : 0;
    if (isNotFound(error)) return this.timing.absentPollMs;
    const own = this.failures === 1 ? 0 : backoffMs(this.failures - 1, this.timing.backoff);
    return Math.max(asked, own);
  }

  /**
   * A kind whose objects we hold does not go without their deletion being seen first.
   * Its first 404 rather comes from an API server that is not up to date.
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

/** Refused as invalid by a server without WatchList; never ended by one that does not know the parameter. */
function isUnsupported(error: unknown): boolean {
  if (error instanceof KubeApiError) return error.status === 400 || error.status === 422;
  return error instanceof SilentWatchError;
}
