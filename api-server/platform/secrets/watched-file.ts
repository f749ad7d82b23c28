/** A file that changes under us, as a mounted Secret does: by a write, or by a link that leads elsewhere. */
import { createHash } from 'node:crypto';
import { type StatsListener, unwatchFile, watchFile } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Logger } from '../logging/logger.js';

/** Looking at a file's date is cheap; and unlike inotify it works on every kind of mount. */
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

  /** Calls the listener with the file's text whenever that is another than before. */
  onChange(listener: (text: string) => void): void {
    this.#listeners.add(listener);
  }

  /** Reads it now; whether it has changed since it was last read. */
  async refresh(): Promise<boolean> {
    const text = await readFile(this.parts.file, 'utf8').catch((error: NodeJS.ErrnoException) => {
      // Between two states of a mount there may be none; what was read before stays in force.
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
