/** Requests to our own HTTP servers that are rejected, and bodies with a limit. */
import type { IncomingMessage } from 'node:http';

/** A rejected request with its HTTP status. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** Larger bodies are cut off: the connection is closed. */
const MAX_DISCARDED_LENGTH = 64 * 2 ** 20;

/**
 * The body as text. Throws a {@link Refusal} if it is too large, once it has been received: a client that still sends when
 * the connection is closed gets an error of the connection instead of the response. `what`: for its message.
 */
export async function readBody(request: IncomingMessage, maxLength: number, what: string): Promise<string> {
  let text = '';
  let length = 0;
  for await (const chunk of request.setEncoding('utf8') as AsyncIterable<string>) {
    length += chunk.length;
    if (length <= maxLength) text += chunk;
    else if (length > MAX_DISCARDED_LENGTH) break;
  }
  if (length > maxLength) throw new Refusal(413, `${what} is too large`);
  return text;
}
