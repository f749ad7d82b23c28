/** The events of this process's subscribers: one reader for all of them, that runs only while there are any. */
import { AsyncResource } from 'node:async_hooks';
import type { Logger } from '../../platform/logging/logger.js';
import type { EventLog } from './event-log.js';
import type { EventSignal, Listening } from './event-signal.js';
import { SubscriberQueue } from './subscriber-queue.js';

export interface FeedParts {
  log: EventLog;
  signal: EventSignal;
  logger: Logger;
  /** How often it looks by itself when signals arrive, and when they don't. */
  pollMs?: { well: number; ill: number };
}

const BATCH = 500;
const POLL = { well: 5_000, ill: 1_000 };

export class EventFeed {
  readonly #subscribers = new Set<SubscriberQueue>();
  /** The reader belongs to no request: not to its deadline, its session or its log lines. */
  readonly #own = new AsyncResource('EventFeed');
  /** Resolves when the reader knows from where it reads; undefined when there is none. */
  #started: Promise<void> | undefined;
  readonly #running = new Set<Promise<void>>();
  #closed = false;
  #woken = false;
  #wake: () => void = () => undefined;

  constructor(private readonly parts: FeedParts) {}

  /** Something has happened in this process. */
  readonly announce = (): void => {
    this.#own.runInAsyncScope(() => {
      this.parts.signal.send();
      this.#look();
    });
  };

  get subscribers(): number {
    return this.#subscribers.size;
  }

  /** From when it resolves, the queue gets every event that could not be read from the log before. */
  async attach(): Promise<SubscriberQueue> {
    const queue = new SubscriberQueue();
    if (this.#closed) {
      queue.end();
      return queue;
    }
    this.#subscribers.add(queue);
    this.#started ??= this.#own.runInAsyncScope(() => this.#start());
    try {
      await this.#started;
    } catch (error) {
      this.detach(queue);
      throw error;
    }
    return queue;
  }

  detach(queue: SubscriberQueue): void {
    queue.end();
    this.#subscribers.delete(queue);
    if (this.#subscribers.size === 0) this.#look();
  }

  /** Ends all subscriptions. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const queue of this.#subscribers) this.detach(queue);
    this.#look();
    await Promise.all(this.#running);
  }

  #start(): Promise<void> {
    const range = this.parts.log.range();
    const run = range.then(
      ({ newest }) => this.#run(newest),
      () => {
        this.#started = undefined; // who attached gets the error, the next one tries again
      },
    );
    this.#running.add(run);
    void run.finally(() => this.#running.delete(run));
    return range.then(() => undefined);
  }

  async #run(from: number): Promise<void> {
    const { log, signal, logger, pollMs = POLL } = this.parts;
    let position = from;
    let listening: Listening | undefined;
    while (this.#subscribers.size > 0) {
      this.#woken = false;
      try {
        if (listening?.isOver) await listening.stop();
        if (!listening || listening.isOver) listening = await signal.listen(() => this.#look());
        await log.sequence();
        const events = await log.read(position, BATCH);
        for (const event of events) for (const queue of this.#subscribers) queue.push(event);
        position = events.at(-1)?.position ?? position;
        if (events.length < BATCH) await this.#pause(listening.isWell ? pollMs.well : pollMs.ill);
      } catch (error) {
        logger.warn({ err: error }, 'events can not be read, trying again');
        if (this.#subscribers.size > 0) await this.#pause(pollMs.ill, false);
      }
    }
    // At once: who comes from now on needs a new reader, which may begin while this one tidies up.
    this.#started = undefined;
    await listening?.stop();
  }

  #look(): void {
    this.#woken = true;
    this.#wake();
  }

  /** Waits, unless woken; also if that was a moment ago, unless that is what just failed. */
  #pause(ms: number, notIfWoken = true): Promise<void> {
    if (this.#woken && notIfWoken) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        if (!notIfWoken && this.#subscribers.size > 0) return;
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
