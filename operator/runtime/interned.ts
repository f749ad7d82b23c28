/** Equal values as one instance: parts of cached objects such as labels and sets of managed fields repeat. */
import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';

export class Interner {
  private readonly known: LRUCache<string, object>;

  /** `max`: number of distinct values. Beyond it, the least recently used value is no longer shared. */
  constructor(max: number) {
    this.known = new LRUCache({ max });
  }

  /** The instance for this text: an earlier one, or the result of `create`. It must not be modified. */
  intern<T extends object>(text: string, create: () => T): T {
    // The text as the key would need more memory than most values.
    const key = hash('sha1', text, 'base64');
    const known = this.known.get(key) as T | undefined;
    if (known) return known;
    const value = create();
    this.known.set(key, value);
    return value;
  }
}
