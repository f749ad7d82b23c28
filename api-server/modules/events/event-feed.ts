/** Distributes events to the subscribers of this process. One reader serves all of them and stops when there are none. */
import { AsyncResource } from 'node:async_hooks';
import type { Logger } from '../../observability/logging/logger.js';
import type { EventLog, LogRange } from './event-log.js';
import type { EventSignal, SignalListener } from './event-signal.js';
import { SubscriberQueue } from './subscriber-queue.js';

export interface FeedParts {
  log: EventLog;
  signal: EventSignal;
  logger: Logger;
  /** Poll interval in milliseconds, while the signal is connected and while it is not. */
  pollMs?: { connected: number; disconnected: number };
}

const BATCH = 500;
const POLL_MS = { connected: 5_000, disconnected: 1_000 };

export class EventFeed {
  readonly #subscribers = new Set<SubscriberQueue>();
  /** Those of them that have no start position yet. */
  readonly #starting = new Set<SubscriberQueue>();
  /** The reader must not inherit the deadline, the session or the log fields of the request that starts it. */
  readonly #readerContext = new AsyncResource('EventFeed');
  /** Resolves when the reader has its start position; undefined while no reader runs. */
  #started: Promise<void> | undefined;
  readonly #running = new Set<Promise<void>>();
  #closed = false;
  #woken = false;
  #wake: () => void = () => undefined;

  constructor(private readonly parts: FeedParts) {}

  /** Wakes the readers of all processes after a change in this process. */
  readonly announce = (): void => {
    this.#readerContext.runInAsyncScope(() => {
      this.parts.signal.send();
      this.#wakeReader();
    });
  };

  /** Number of subscribers that miss no later event. */
  get subscribers(): number {
    return this.#subscribers.size - this.#starting.size;
  }

  /** The queue receives every event that is newer than `range`, the log at the start of the subscription. */
  async attach(): Promise<{ queue: SubscriberQueue; range: LogRange }> {
    const queue = new SubscriberQueue();
    if (this.#closed) queue.end();
    else {
      this.#subscribers.add(queue);
      this.#starting.add(queue);
      this.#started ??= this.#readerContext.runInAsyncScope(() => this.#start());
    }
    try {
      await this.#started;
      return { queue, range: await this.parts.log.range() };
    } catch (error) {
      this.detach(queue);
      throw error;
    } finally {
      this.#starting.delete(queue);
    }
  }

  detach(queue: SubscriberQueue): void {
    queue.end();
    this.#starting.delete(queue);
    this.#subscribers.delete(queue);
    if (this.#subscribers.size === 0) this.#wakeReader();
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const queue of this.#subscribers) this.detach(queue);
    this.#wakeReader();
    await Promise.all(this.#running);
  }

  #start(): Promise<void> {
    const range = this.parts.log.range();
    const run = range.then(
      ({ newest }) => this.#run(newest),
      () => {
        this.#started = undefined; // `attach` throws the error; the next subscriber retries
      },
    );
    this.#running.add(run);
    void run.finally(() => this.#running.delete(run));
    return range.then(() => undefined);
  }

  async #run(from: number): Promise<void> {
    const { log, signal, logger, pollMs = POLL_MS } = this.parts;
    let position = from;
    let listener: SignalListener | undefined;
    while (this.#subscribers.size > 0) {
      this.#woken = false;
      try {
        if (listener?.isClosed) await listener.stop();
        if (!listener || listener.isClosed) listener = await signal.listen(() => this.#wakeReader());
        await log.assignPositions();
        const events = await log.read(position, BATCH);
        for (const event of events) for (const queue of this.#subscribers) queue.push(event);
        position = events.at(-1)?.position ?? position;
        if (events.length < BATCH)
          await this.#pause(listener.isConnected ? pollMs.connected : pollMs.disconnected);
      } catch (error) {
        logger.warn({ err: error }, 'reading events failed, will retry');
        if (this.#subscribers.size > 0) await this.#pause(pollMs.disconnected, false);
      }
    }
    // Before the await: a new subscriber starts a new reader while this one closes its listener.
    this.#started = undefined;
    await listener?.stop();
  }

  #wakeReader(): void {
    this.#woken = true;
    this.#wake();
  }

  /** Waits until the time is over or the reader is woken. After a failure, only the end of all subscriptions wakes it. */
  #pause(ms: number, canBeWoken = true): Promise<void> {
    if (this.#woken && canBeWoken) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        if (!canBeWoken && this.#subscribers.size > 0) return;
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
