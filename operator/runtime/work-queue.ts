/**
 * A queue of keys with client-go's semantics: a key waits at most once, is never
 * with two workers, and comes back if it was added while being worked on.
 * Two lanes: what a person is waiting for goes before start-up and resync.
 */
import { type BackoffPolicy, backoffMs } from './backoff.js';

/** client-go's per-item limits: 5 ms doubling to 1000 s. */
const retryPolicy: BackoffPolicy = { baseMs: 5, maxMs: 1_000_000, jitter: 0.2 };

export type Priority = 'high' | 'low';

export class WorkQueue {
  private readonly waiting: Record<Priority, Map<string, number>> = { high: new Map(), low: new Map() };
  private readonly processing = new Set<string>();
  /** Keys added while they were worked on. */
  private readonly dirty = new Map<string, Priority>();
  private readonly timers = new Map<string, { timer: NodeJS.Timeout; at: number }>();
  private readonly failures = new Map<string, number>();
  private readonly takers: ((key: string | undefined) => void)[] = [];
  private closed = false;

  constructor(
    private readonly observer: { added?(): void; taken?(waitedMs: number): void; retried?(): void } = {},
  ) {}

  /** Keys that wait for a worker. */
  get depth(): number {
    return this.waiting.high.size + this.waiting.low.size;
  }

  add(key: string, priority: Priority = 'high'): void {
    if (this.closed) return;
    if (this.processing.has(key)) {
      if (this.dirty.get(key) !== 'high') this.dirty.set(key, priority);
      return;
    }
    if (this.waiting.high.has(key)) return;
    const since = this.waiting.low.get(key);
    if (since !== undefined && priority === 'low') return;
    this.waiting.low.delete(key);
    this.waiting[priority].set(key, since ?? performance.now());
    this.observer.added?.();
    this.takers.shift()?.(this.pop());
  }

  /** Adds the key later; an earlier appointment of the same key stands. */
  addAfter(key: string, delayMs: number): void {
    if (this.closed) return;
    if (delayMs <= 0) {
      this.add(key);
      return;
    }
    const at = performance.now() + delayMs;
    const planned = this.timers.get(key);
    if (planned && planned.at <= at) return;
    clearTimeout(planned?.timer);
    // setTimeout holds 2^31-1 ms at most; a longer wait only means an early look.
    const timer = setTimeout(
      () => {
        this.timers.delete(key);
        this.add(key);
      },
      Math.min(delayMs, 2 ** 31 - 1),
    );
    this.timers.set(key, { timer, at });
  }

  /** Adds the key after a delay that grows with each failure in a row. Returns the delay. */
  addRateLimited(key: string): number {
    const failures = (this.failures.get(key) ?? 0) + 1;
    this.failures.set(key, failures);
    const delayMs = backoffMs(failures, retryPolicy);
    this.observer.retried?.();
    this.addAfter(key, delayMs);
    return delayMs;
  }

  /** The key did well: its next failure starts from the shortest delay. */
  forget(key: string): void {
    this.failures.delete(key);
  }

  /** Waits for a key; undefined once the queue is closed. Give it back with {@link done}. */
  take(): Promise<string | undefined> {
    if (this.closed) return Promise.resolve(undefined);
    const key = this.pop();
    if (key !== undefined) return Promise.resolve(key);
    return new Promise((resolve) => this.takers.push(resolve));
  }

  /** The worker is through with the key. */
  done(key: string): void {
    this.processing.delete(key);
    const priority = this.dirty.get(key);
    this.dirty.delete(key);
    if (priority) this.add(key, priority);
  }

  /** No key is handed out any more. */
  close(): void {
    this.closed = true;
    for (const { timer } of this.timers.values()) clearTimeout(timer);
    this.timers.clear();
    for (const taker of this.takers.splice(0)) taker(undefined);
  }

  private pop(): string | undefined {
    for (const lane of [this.waiting.high, this.waiting.low]) {
      const first = lane.entries().next();
      if (first.done) continue;
      const [key, since] = first.value;
      lane.delete(key);
      this.processing.add(key);
      this.observer.taken?.(performance.now() - since);
      return key;
    }
    return undefined;
  }
}
