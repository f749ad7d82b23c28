import type { Logger } from '../observability/logging/logger.js';
import { WatchedFile } from './watched-file.js';

/** Value of a secret setting. If it is in a file, it is reloaded when the file changes. */
export class Secret {
  #value: string;
  readonly #file: WatchedFile | undefined;
  readonly #listeners = new Set<() => void>();

  /** `value` is the value at startup. */
  constructor(value: string, source?: { file: string; log: Logger; pollMs?: number }) {
    this.#value = value;
    this.#file = source && new WatchedFile(source);
    this.#file?.onChange((text) => this.#set(text.trim()));
    void this.#file?.refresh(); // the file may have changed since the settings were read
  }

  get value(): string {
    return this.#value;
  }

  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** Reads the file immediately, because the value was rejected. Returns whether it has changed. */
  async refresh(): Promise<boolean> {
    const before = this.#value;
    await this.#file?.refresh();
    return this.#value !== before;
  }

  close(): void {
    this.#file?.close();
    this.#listeners.clear();
  }

  #set(value: string): void {
    if (value === this.#value || value === '') return;
    this.#value = value;
    for (const listener of this.#listeners) listener();
  }
}
