/** The rest of a body that a server refuses. */
import type { Readable } from 'node:stream';

/** Larger bodies are cut off: the connection is closed. */
const MAX_DISCARDED_BYTES = 64 * 2 ** 20;

/**
 * Reads the rest of the body and discards it. A server that closes the connection instead, while its client sends, causes
 * a reset: the client gets an error of the connection, and not the response. The time is limited by the timeout of the
 * server for requests.
 */
export function discardBody(body: Readable): void {
  let bytes = 0;
  body.on('data', (chunk: Buffer | string) => {
    bytes += chunk.length;
    if (bytes > MAX_DISCARDED_BYTES) body.destroy();
  });
  body.resume();
}
