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

/** The body as text. Throws a {@link Refusal} if it is too large. `what`: for its message. */
export async function readBody(request: IncomingMessage, maxBytes: number, what: string): Promise<string> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) {
    text += chunk;
    if (text.length > maxBytes) throw new Refusal(413, `${what} is too large`);
  }
  return text;
}
