import type { DomainEvent } from './event-log.js';

/** Beyond that a subscriber is too slow to be waited for; it can come back and continue where it was. */
const MAX_WAITING = 1_000;

/** Events that wait for one subscriber. */
export class SubscriberQueue {
  readonly #waiting: DomainEvent[] = [];
  #ended = false;
  #overrun = false;
  #wake: () => void = () => undefined;

  /** Whether events were lost because there were too many. */
  get overrun(): boolean {
    return this.#overrun;
  }

  push(event: DomainEvent): void {
    if (this.#ended) return;
    if (this.#waiting.length >= MAX_WAITING) {
      this.#overrun = true;
      this.#waiting.length = 0;
      this.end();
      return;
    }
    this.#waiting.push(event);
    this.#wake();
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  /** The next one; undefined when it has ended. */
  async next(): Promise<DomainEvent | undefined> {
    while (this.#waiting.length === 0 && !this.#ended) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#waiting.shift();
  }
}
