import type { Logger } from '../logging/logger.js';
import { WatchedFile } from './watched-file.js';

/** A setting's value that may change while we run, because it is in a file. */
export class Secret {
  #value: string;
  readonly #file: WatchedFile | undefined;
  readonly #listeners = new Set<() => void>();

  /** `value` is what the settings had at start; with a file, what the file held then. */
  constructor(value: string, source?: { file: string; log: Logger; pollMs?: number }) {
    this.#value = value;
    this.#file = source && new WatchedFile(source);
    this.#file?.onChange((text) => this.#set(text.trim()));
    void this.#file?.refresh(); // it may have changed since the settings were read
  }

  get value(): string {
    return this.#value;
  }

  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** Looks at the file now, because the value was refused; whether there is another one. */
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
