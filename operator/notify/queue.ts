/**
 * Sends messages in order, with one line per destination. It never blocks the caller; rejected and expired
 * messages are dropped.
 */
import { type BackoffPolicy, backoffMs } from '../runtime/backoff.js';
import { type Clock, pause, systemClock } from '../runtime/clock.js';
import { DeliveryRefused, TryLater } from './destination.js';
import type { NotifyMetrics } from './notification-metrics.js';

export interface Message {
  /** Messages of one line are sent sequentially. */
  line: string;
  /** For metrics. */
  kind: string;
  /** Sends once. Throws a {@link DeliveryRefused} if a retry is useless. */
  send(signal: AbortSignal): Promise<void>;
  /** The message is dropped; `isStopping`: because this process is shutting down. */
  dropped(why: string, isStopping: boolean): void;
}

export interface QueueOptions {
  metrics: NotifyMetrics;
  clock?: Clock;
  /** Maximum number of messages that are queued or being sent. */
  capacity?: number;
  /** Maximum number of concurrent requests. */
  concurrency?: number;
  /** Time after which a message is dropped. */
  deadlineMs?: number;
  backoff?: BackoffPolicy;
}

interface Waiting extends Message {
  /** Monotonic time. */
  deadline: number;
}

export class MessageQueue {
  private readonly clock: Clock;
  private readonly metrics: NotifyMetrics;
  private readonly capacity: number;
  private readonly concurrency: number;
  private readonly deadlineMs: number;
  private readonly backoff: BackoffPolicy;
  /** Whether the first message is being sent. */
  private readonly lines = new Map<string, Waiting[]>();
  private readonly stopping = new AbortController();
  private readonly slots: (() => void)[] = [];
  private sending = 0;
  private pending = 0;
  private idle: (() => void)[] = [];

  constructor(options: QueueOptions) {
    this.metrics = options.metrics;
    this.clock = options.clock ?? systemClock;
    this.capacity = options.capacity ?? 500;
    this.concurrency = options.concurrency ?? 8;
    this.deadlineMs = options.deadlineMs ?? 5 * 60_000;
    this.backoff = options.backoff ?? { baseMs: 1_000, maxMs: 60_000, jitter: 0.5 };
  }

  get isStopping(): boolean {
    return this.stopping.signal.aborted;
  }

  /** Never throws. */
  put(message: Message): void {
    if (this.pending >= this.capacity) {
      this.drop(message, 'too many queued notifications');
      return;
    }
    this.pending += 1;
    this.metrics.pending.inc();
    const waiting = { ...message, deadline: this.clock.now() + this.deadlineMs };
    const line = this.lines.get(message.line);
    if (line) line.push(waiting);
    else {
      this.lines.set(message.line, [waiting]);
      void this.work(message.line);
    }
  }

  /** Resolves when the queue is empty. */
  async flush(): Promise<void> {
    if (this.pending > 0) await new Promise<void>((resolve) => this.idle.push(resolve));
  }

  /** Drops queued messages: this process lost leadership, or is shutting down. */
  stop(): void {
    this.stopping.abort(new Error('the operator is shutting down'));
  }

  private async work(line: string): Promise<void> {
    const messages = this.lines.get(line)!;
    for (let message = messages[0]; message; message = messages[0]) {
      await this.deliver(message);
      messages.shift();
      this.pending -= 1;
      this.metrics.pending.dec();
    }
    this.lines.delete(line);
    if (this.pending === 0) for (const resolve of this.idle.splice(0)) resolve();
  }

  /** Retries until the message is accepted, rejected or expired. */
  private async deliver(message: Waiting): Promise<void> {
    const { kind, deadline } = message;
    const { signal } = this.stopping;
    let why = 'expired before the first attempt';
    for (let failures = 0; !signal.aborted && (this.clock.now() < deadline || failures === 0); ) {
      const error = await this.tryOnce(message);
      if (!error) {
        this.metrics.notifications.inc({ kind, outcome: 'sent' });
        return;
      }
      if (signal.aborted) break;
      why = error.message;
      if (error instanceof DeliveryRefused) break;
      failures += 1;
      this.metrics.retries.inc({ kind });
      const asked = error instanceof TryLater ? (error.afterMs ?? 0) : 0;
      const delayMs = Math.max(asked, backoffMs(failures, this.backoff));
      // The next attempt would be after the deadline.
      if (this.clock.now() + delayMs >= deadline) break;
      await pause(this.clock, delayMs, signal);
    }
    this.drop(message, signal.aborted ? 'the operator is shutting down' : why);
  }

  /**
   * A slot is held during a request, not during the backoff, so that a hanging destination delays few others.
   */
  private async tryOnce({ send }: Waiting): Promise<Error | undefined> {
    await this.takeSlot();
    try {
      await send(this.stopping.signal);
      return undefined;
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    } finally {
      this.sending -= 1;
      this.slots.shift()?.();
    }
  }

  private async takeSlot(): Promise<void> {
    while (this.sending >= this.concurrency) await new Promise<void>((resolve) => this.slots.push(resolve));
    this.sending += 1;
  }

  private drop({ kind, dropped }: Message, why: string): void {
    this.metrics.notifications.inc({ kind, outcome: 'dropped' });
    dropped(why, this.isStopping);
  }
}
