/**
 * A file that changes at runtime, such as a mounted Secret: its content is rewritten, or a symbolic
 * link is replaced.
 */
import { createHash } from 'node:crypto';
import { type StatsListener, unwatchFile, watchFile } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Logger } from '../observability/logging/logger.js';

/** Polling the modification time is cheap and works on all file systems, unlike inotify. */
const POLL_MS = 1_000;

export interface WatchedFileParts {
  file: string;
  log: Logger;
  pollMs?: number;
}

export class WatchedFile {
  readonly #listeners = new Set<(text: string) => void>();
  readonly #onStat: StatsListener = () => void this.refresh();
  #digest = '';

  constructor(private readonly parts: WatchedFileParts) {
    watchFile(parts.file, { interval: parts.pollMs ?? POLL_MS, persistent: false }, this.#onStat);
  }

  /** Calls the listener with the new content when it has changed. */
  onChange(listener: (text: string) => void): void {
    this.#listeners.add(listener);
  }

  /** Reads the file immediately. Returns whether it has changed. */
  async refresh(): Promise<boolean> {
    const text = await readFile(this.parts.file, 'utf8').catch((error: NodeJS.ErrnoException) => {
      // The file can be missing while a mount is updated. The previous content remains in effect.
      this.parts.log.warn({ file: this.parts.file, code: error.code }, 'reading a watched file failed');
      return undefined;
    });
    if (text === undefined) return false;
    const digest = createHash('sha256').update(text).digest('hex');
    if (digest === this.#digest) return false;
    const first = this.#digest === '';
    this.#digest = digest;
    if (!first) this.parts.log.info({ file: this.parts.file }, 'watched file changed');
    for (const listener of this.#listeners) listener(text);
    return true;
  }

  close(): void {
    unwatchFile(this.parts.file, this.#onStat);
    this.#listeners.clear();
  }
}
