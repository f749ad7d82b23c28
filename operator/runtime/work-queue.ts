/**
 * A work queue with the semantics of client-go: a key is queued at most once, is never processed by two
 * workers, and is requeued if it was added during processing. Three priorities: edits by users (`high`) are processed
 * before changes of dependent objects (`normal`), and these before startup and resync (`low`): while a hundred pods
 * start, an edit does not wait for the reconciles that they cause.
 */
import { type BackoffPolicy, backoffMs } from './backoff.js';

/** Per-item limits of client-go: 5 ms, doubled up to 1000 s. */
const retryPolicy: BackoffPolicy = { baseMs: 5, maxMs: 1_000_000, jitter: 0.2 };

/** Maximum delay of setTimeout. A later key is requeued early, and has nothing to do. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Highest first. */
const PRIORITIES = ['high', 'normal', 'low'] as const;
export type Priority = (typeof PRIORITIES)[number];

/** Called for metrics. Times are in milliseconds. */
export interface QueueObserver {
  added?(): void;
  retried?(): void;
  taken?(waitedMs: number): void;
  done?(workedMs: number): void;
}

interface Timer {
  timer: NodeJS.Timeout;
  /** Time of the addition, of performance.now(). */
  at: number;
  /** Whether it retries a failure. */
  isRetry: boolean;
}

export class WorkQueue {
  /** Queued keys with the time of their addition. */
  private readonly waiting: Readonly<Record<Priority, Map<string, number>>> = {
    high: new Map(),
    normal: new Map(),
    low: new Map(),
  };
  /** Keys in processing with their start time. */
  private readonly processing = new Map<string, number>();
  /** Keys that were added during processing. */
  private readonly dirty = new Map<string, Priority>();
  private readonly timers = new Map<string, Timer>();
  private readonly failures = new Map<string, number>();
  private readonly takers: ((key: string | undefined) => void)[] = [];
  private closed = false;

  constructor(private readonly observer: QueueObserver = {}) {}

  /** Number of queued keys. */
  get depth(): number {
    return PRIORITIES.reduce((sum, priority) => sum + this.waiting[priority].size, 0);
  }

  depths(): Record<Priority, number> {
    const { high, normal, low } = this.waiting;
    return { high: high.size, normal: normal.size, low: low.size };
  }

  /** Time that each active worker has spent on its key, in milliseconds. */
  workingMs(): number[] {
    const now = performance.now();
    return [...this.processing.values()].map((since) => now - since);
  }

  add(key: string, priority: Priority = 'normal'): void {
    if (this.closed) return;
    if (this.processing.has(key)) {
      if (!this.dirty.has(key)) this.observer.added?.();
      this.dirty.set(key, higher(this.dirty.get(key), priority));
      return;
    }
    this.enqueue(key, priority);
  }

  /** Adds the key after a delay; an earlier scheduled addition of the same key is kept. */
  addAfter(key: string, delayMs: number, priority: Priority = 'normal'): void {
    this.schedule(key, delayMs, priority, false);
  }

  private schedule(key: string, delayMs: number, priority: Priority, isRetry: boolean): void {
    if (this.closed) return;
    if (delayMs <= 0) {
      this.add(key, priority);
      return;
    }
    const at = performance.now() + delayMs;
    const planned = this.timers.get(key);
    if (planned && planned.at <= at) {
      planned.isRetry ||= isRetry;
      return;
    }
    clearTimeout(planned?.timer);
    const timer = setTimeout(
      () => {
        this.timers.delete(key);
        this.add(key, priority);
      },
      Math.min(delayMs, MAX_TIMER_MS),
    );
    this.timers.set(key, { timer, at, isRetry: isRetry || (planned?.isRetry ?? false) });
  }

  /**
   * Adds the key after an exponential backoff of at most `atMostMs`. A failure before the retry is due, of a reconcile
   * that an event caused, does not count: twenty events within a second would otherwise delay the next retry by minutes, as
   * they do in client-go. Returns the time until the retry.
   */
  addRateLimited(key: string, atMostMs = retryPolicy.maxMs): number {
    const planned = this.timers.get(key);
    const failures = (this.failures.get(key) ?? 0) + (planned?.isRetry ? 0 : 1);
    this.failures.set(key, failures);
    const delayMs = backoffMs(failures, { ...retryPolicy, maxMs: atMostMs });
    this.observer.retried?.();
    this.schedule(key, delayMs, 'normal', true);
    return planned ? Math.max(0, Math.min(delayMs, planned.at - performance.now())) : delayMs;
  }

  /** Resets the backoff of the key. It was just processed, so a pending retry is not needed any more. */
  forget(key: string): void {
    this.failures.delete(key);
    const planned = this.timers.get(key);
    if (!planned?.isRetry) return;
    clearTimeout(planned.timer);
    this.timers.delete(key);
  }

  /** Waits for a key; undefined when the queue is closed. Call {@link done} after processing. */
  take(): Promise<string | undefined> {
    if (this.closed) return Promise.resolve(undefined);
    const key = this.pop();
    if (key !== undefined) return Promise.resolve(key);
    return new Promise((resolve) => this.takers.push(resolve));
  }

  /** Processing of the key is finished. */
  done(key: string): void {
    const since = this.processing.get(key);
    if (since === undefined) return;
    this.processing.delete(key);
    this.observer.done?.(performance.now() - since);
    const priority = this.dirty.get(key);
    this.dirty.delete(key);
    if (priority && !this.closed) this.enqueue(key, priority, false);
  }

  /** Closes the queue. No further key is returned. */
  close(): void {
    this.closed = true;
    for (const { timer } of this.timers.values()) clearTimeout(timer);
    this.timers.clear();
    for (const taker of this.takers.splice(0)) taker(undefined);
  }

  private enqueue(key: string, priority: Priority, isNew = true): void {
    const queued = PRIORITIES.find((lane) => this.waiting[lane].has(key));
    if (queued && higher(queued, priority) === queued) return;
    const since = queued && this.waiting[queued].get(key);
    if (queued) this.waiting[queued].delete(key);
    this.waiting[priority].set(key, since ?? performance.now());
    if (isNew && since === undefined) this.observer.added?.();
    this.takers.shift()?.(this.pop());
  }

  private pop(): string | undefined {
    for (const priority of PRIORITIES) {
      const lane = this.waiting[priority];
      const first = lane.entries().next();
      if (first.done) continue;
      const [key, since] = first.value;
      const now = performance.now();
      lane.delete(key);
      this.processing.set(key, now);
      this.observer.taken?.(now - since);
      return key;
    }
    return undefined;
  }
}

function higher(one: Priority | undefined, other: Priority): Priority {
  return PRIORITIES.find((priority) => priority === one || priority === other) ?? other;
}
