/**
 * Tells of deliveries. What it does never blocks, delays or fails one: {@link Notifier.notify}
 * puts events into a bounded queue and returns. Each destination gets its events in
 * order; what it does not take in time is dropped, counted, and told of by an Event.
 */
import type { Logger } from 'pino';
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { NotificationsSpec } from '../api/v1alpha1/spec/notifications.js';
import { type BackoffPolicy, backoffMs } from '../runtime/backoff.js';
import { type Clock, pause, systemClock } from '../runtime/clock.js';
import type { EventInput } from '../runtime/events.js';
import type { SecretReader } from '../runtime/outgoing/secrets.js';
import { DeliveryRefused, type Destination, destinationsOf, TryLater } from './destination.js';
import { type DeliveryEvent, idempotencyKey } from './event.js';
import type { NotifyMetrics } from './metrics.js';

export interface NotifierOptions {
  secrets: SecretReader;
  events: { record(input: EventInput): void };
  metrics: NotifyMetrics;
  logger: Logger;
  clock?: Clock;
  /** Messages that wait or are being sent, at most. */
  capacity?: number;
  /** Messages sent at a time. */
  concurrency?: number;
  /** How long a message is tried. */
  deadlineMs?: number;
  backoff?: BackoffPolicy;
}

interface Message {
  api: PcfApi;
  event: DeliveryEvent;
  destination: Destination;
  /** By the clock. */
  deadline: number;
}

/** Keys of the events that were told lately. A delivery makes a handful. */
const MAX_REMEMBERED = 2_000;

export class Notifier {
  private readonly clock: Clock;
  private readonly capacity: number;
  private readonly concurrency: number;
  private readonly deadlineMs: number;
  private readonly backoff: BackoffPolicy;
  private readonly told = new Set<string>();
  /** Messages of one destination, in order; the first is being sent. */
  private readonly lines = new Map<string, Message[]>();
  private readonly stopping = new AbortController();
  private readonly slots: (() => void)[] = [];
  private sending = 0;
  private pending = 0;
  private idle: (() => void)[] = [];

  constructor(private readonly options: NotifierOptions) {
    this.clock = options.clock ?? systemClock;
    this.capacity = options.capacity ?? 500;
    this.concurrency = options.concurrency ?? 8;
    this.deadlineMs = options.deadlineMs ?? 5 * 60_000;
    this.backoff = options.backoff ?? { baseMs: 1_000, maxMs: 60_000, jitter: 0.5 };
  }

  /** Queues the event for everyone who wants to know of it. An event that was told already is not told again. Never throws. */
  notify(api: PcfApi, spec: NotificationsSpec | undefined, event: DeliveryEvent): void {
    if (!spec || this.stopping.signal.aborted) return;
    const key = idempotencyKey(api, event);
    if (this.told.has(key)) return;
    this.remember(key);
    for (const destination of destinationsOf(api, spec, event, this.options.secrets)) {
      this.enqueue({ api, event, destination, deadline: this.clock.now() + this.deadlineMs });
    }
  }

  /** Resolves when nothing waits any more. */
  async flush(): Promise<void> {
    if (this.pending > 0) await new Promise<void>((resolve) => this.idle.push(resolve));
  }

  /** Takes no further event, and gives up what is not through: another process leads, or this one ends. */
  stop(): void {
    this.stopping.abort(new Error('the operator stops'));
  }

  private enqueue(message: Message): void {
    if (this.pending >= this.capacity) {
      this.dropped(message, 'too many notifications wait');
      return;
    }
    const { metadata } = message.api;
    const line = `${metadata.uid} ${message.destination.kind} ${message.destination.label}`;
    this.pending += 1;
    this.options.metrics.pending.set(this.pending);
    const waiting = this.lines.get(line);
    if (waiting) waiting.push(message);
    else {
      this.lines.set(line, [message]);
      void this.work(line);
    }
  }

  private async work(line: string): Promise<void> {
    const messages = this.lines.get(line)!;
    for (let message = messages[0]; message; message = messages[0]) {
      await this.deliver(message);
      messages.shift();
      this.pending -= 1;
      this.options.metrics.pending.set(this.pending);
    }
    this.lines.delete(line);
    if (this.pending === 0) for (const resolve of this.idle.splice(0)) resolve();
  }

  /** Tries until it is taken, refused or too late. */
  private async deliver(message: Message): Promise<void> {
    const { destination, deadline } = message;
    const { signal } = this.stopping;
    let why = 'the deadline is over before the first try';
    for (let failures = 0; !signal.aborted && (this.clock.now() < deadline || failures === 0); ) {
      const error = await this.tryOnce(message);
      if (!error) {
        this.options.metrics.notifications.inc({ kind: destination.kind, outcome: 'sent' });
        return;
      }
      if (signal.aborted) break;
      why = error.message;
      if (error instanceof DeliveryRefused) break;
      failures += 1;
      this.options.metrics.retries.inc({ kind: destination.kind });
      const asked = error instanceof TryLater ? (error.afterMs ?? 0) : 0;
      const delayMs = Math.max(asked, backoffMs(failures, this.backoff));
      // There will be no try after the deadline, so there is nothing to wait for.
      if (this.clock.now() + delayMs >= deadline) break;
      await pause(this.clock, delayMs, signal);
    }
    this.dropped(message, signal.aborted ? 'the operator stopped' : why);
  }

  /** A place is held while a request is under way, not while it is waited for the next: one that hangs holds up few others. */
  private async tryOnce({ destination, event }: Message): Promise<Error | undefined> {
    await this.takeSlot();
    try {
      await destination.send(event, this.stopping.signal);
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

  private dropped({ api, event, destination }: Message, why: string): void {
    const { namespace, name } = api.metadata;
    this.options.metrics.notifications.inc({ kind: destination.kind, outcome: 'dropped' });
    this.options.logger.warn(
      { namespace, name, event: event.type, destination: destination.label, why },
      'a notification was dropped',
    );
    if (this.stopping.signal.aborted) return;
    this.options.events.record({
      regarding: api,
      type: 'Warning',
      reason: 'NotificationDropped',
      action: 'Notify',
      note: `${destination.label} was not told that ${event.revision} ${event.type.toLowerCase()}: ${why}`,
    });
  }

  private remember(key: string): void {
    this.told.add(key);
    if (this.told.size > MAX_REMEMBERED) this.told.delete(this.told.values().next().value!);
  }
}
