/** Reads the body of a watch: one JSON event per line, with a check for silence. */
import type { KubeObject } from './kube-types.js';

export interface WatchEvent {
  type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  /** The object; for ERROR a Status with `code`, `reason` and `message`. */
  object: KubeObject & { code?: number; message?: string; reason?: string };
}

/** No data for too long, not even a bookmark: the connection is dead. */
export class SilentWatchError extends Error {
  override readonly name = 'SilentWatchError';
  constructor(silenceMs: number) {
    super(`the watch was silent for ${silenceMs} ms`);
  }
}

/**
 * Yields the events of a watch. Throws {@link SilentWatchError} after `limitMs` without data; the limit is
 * evaluated after each chunk. `abort` must end the body.
 */
export async function* readEvents(
  body: AsyncIterable<Uint8Array>,
  limitMs: () => number,
  abort: (reason: Error) => void,
): AsyncGenerator<WatchEvent> {
  const decoder = new TextDecoder();
  let rest = '';
  let silent: SilentWatchError | undefined;
  let alarm: NodeJS.Timeout | undefined;
  const arm = () => {
    const ms = limitMs();
    clearTimeout(alarm);
    alarm = setTimeout(() => {
      silent = new SilentWatchError(ms);
      abort(silent);
    }, ms);
  };
  arm();
  try {
    for await (const chunk of body) {
      rest += decoder.decode(chunk, { stream: true });
      const lines = rest.split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        if (line) yield JSON.parse(line) as WatchEvent;
      }
      arm();
    }
  } catch (error) {
    throw silent ?? error;
  } finally {
    clearTimeout(alarm);
  }
}
