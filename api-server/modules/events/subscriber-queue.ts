import type { DomainEvent } from './event-log.js';

/** A slower subscriber is disconnected. It can subscribe again after its last cursor. */
const MAX_QUEUED = 1_000;

/** Bounded queue of the events for one subscriber. */
export class SubscriberQueue {
  readonly #queued: DomainEvent[] = [];
  #ended = false;
  #hasOverflowed = false;
  #wake: () => void = () => undefined;

  /** Whether events were dropped because the queue was full. */
  get hasOverflowed(): boolean {
    return this.#hasOverflowed;
  }

  push(event: DomainEvent): void {
    if (this.#ended) return;
    if (this.#queued.length >= MAX_QUEUED) {
      this.#hasOverflowed = true;
      this.#queued.length = 0;
      this.end();
      return;
    }
    this.#queued.push(event);
    this.#wake();
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  /** Waits for the next event; undefined after the end. */
  async next(): Promise<DomainEvent | undefined> {
    while (this.#queued.length === 0 && !this.#ended) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#queued.shift();
  }
}
