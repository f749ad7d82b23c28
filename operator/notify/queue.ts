/**
 * Sends what others are told, one line of messages for each place, in order. It never
 * blocks who puts something in; what is not taken in time, or refused, is dropped.
 */
import { type BackoffPolicy, backoffMs } from '../runtime/backoff.js';
import { type Clock, pause, systemClock } from '../runtime/clock.js';
import { DeliveryRefused, TryLater } from './destination.js';
import type { NotifyMetrics } from './notification-metrics.js';

export interface Message {
  /** Messages of one line are sent one after the other. */
  line: string;
  /** For metrics. */
  kind: string;
  /** Sends once. Throws a {@link DeliveryRefused} when there is no point in trying again. */
  send(signal: AbortSignal): Promise<void>;
  /** It will not be sent; `isStopping`: because this process ends. */
  dropped(why: string, isStopping: boolean): void;
}

export interface QueueOptions {
  metrics: NotifyMetrics;
  clock?: Clock;
  /** Messages that wait or are being sent, at most. */
  capacity?: number;
  /** Messages sent at a time. */
  concurrency?: number;
  /** How long a message is tried. */
  deadlineMs?: number;
  backoff?: BackoffPolicy;
}

interface Waiting extends Message {
  /** By the clock. */
  deadline: number;
}

export class MessageQueue {
  private readonly clock: Clock;
  private readonly metrics: NotifyMetrics;
  private readonly capacity: number;
  private readonly concurrency: number;
  private readonly deadlineMs: number;
  private readonly backoff: BackoffPolicy;
  /** The first of a line is being sent. */
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
      this.drop(message, 'too many notifications wait');
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

  /** Resolves when nothing waits any more. */
  async flush(): Promise<void> {
    if (this.pending > 0) await new Promise<void>((resolve) => this.idle.push(resolve));
  }

  /** Gives up what is not through: another process leads, or this one ends. */
  stop(): void {
    this.stopping.abort(new Error('the operator stops'));
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

  /** Tries until it is taken, refused or too late. */
  private async deliver(message: Waiting): Promise<void> {
    const { kind, deadline } = message;
    const { signal } = this.stopping;
    let why = 'the deadline is over before the first try';
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
      // There will be no try after the deadline, so there is nothing to wait for.
      if (this.clock.now() + delayMs >= deadline) break;
      await pause(this.clock, delayMs, signal);
    }
    this.drop(message, signal.aborted ? 'the operator stopped' : why);
  }

  /** A place is held while a request is under way, not while it is waited for the next: one that hangs holds up few others. */
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
