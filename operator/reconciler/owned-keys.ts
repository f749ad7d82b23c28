/** The keys of the PcfApis that this process reconciles, and their way into its work queue. */
import type { Priority, WorkQueue } from '../runtime/work-queue.js';

export class OwnedKeys {
  /** Keys of others that were edited: they precede the rest when this process becomes their owner. */
  private readonly urgent = new Set<string>();

  constructor(
    private readonly queue: Pick<WorkQueue, 'add' | 'addAfter'>,
    private readonly isOwned: (key: string) => boolean,
    private readonly exists: (key: string) => boolean,
  ) {}

  /** Adds the key if this process is its owner. */
  add(key: string, priority: Priority): void {
    if (this.isOwned(key)) this.queue.add(key, priority);
    else if (!this.exists(key)) this.urgent.delete(key);
    else if (priority === 'high') this.urgent.add(key);
  }

  addAfter(key: string, delayMs: number, priority: Priority): void {
    if (this.isOwned(key)) this.queue.addAfter(key, delayMs, priority);
  }

  /** This process became the owner of these keys. */
  addAll(keys: readonly string[]): void {
    for (const key of keys) this.queue.add(key, this.urgent.delete(key) ? 'high' : 'low');
  }
}
