/** Sends signed messages to webhooks. */
import { Agent, errors, fetch } from 'undici';
import { inSpan, traceHeaders } from '../../../contract/tracing/tracing.js';
import { PrivateAddressError, publicLookup, refusePrivateHost } from '../../http/private-addresses.js';
import { HopelessJobError } from '../../jobs/job.js';
import { blockedPortOf } from './blocked-ports.js';
import { signedHeaders } from './signature.js';

export interface WebhookMessage {
  /** The same for each attempt, so that receivers detect duplicates. */
  id: string;
  url: string;
  /** Newest first. Each one signs the message. */
  secrets: readonly string[];
  /** JSON. */
  body: string;
}

export interface SenderSettings {
  timeoutMs: number;
  /** Allows private IP addresses and plain HTTP. Only for development. */
  allowPrivate: boolean;
}

/** The response status was not 2xx. */
export class WebhookRefusedError extends Error {
  override readonly name = 'WebhookRefusedError';

  constructor(readonly status: number) {
    super(`the receiver returned ${status}`);
  }
}

const GONE = 410;

export class WebhookSender {
  readonly #agent: Agent;

  constructor(private readonly settings: SenderSettings) {
    this.#agent = new Agent({
      connect: {
        timeout: settings.timeoutMs,
        ...(!settings.allowPrivate && { lookup: publicLookup as never }),
      },
      headersTimeout: settings.timeoutMs,
      bodyTimeout: settings.timeoutMs,
      maxResponseSize: 64 * 1_024, // the body is ignored
    });
  }

  /** Throws when the receiver does not accept the message; a HopelessJobError when a retry cannot succeed. */
  async send(message: WebhookMessage, signal: AbortSignal): Promise<void> {
    this.#check(message.url);
    const attributes = { 'http.request.method': 'POST', 'server.address': new URL(message.url).hostname };
    await inSpan('POST webhook', { kind: 'client', attributes }, () => this.#post(message, signal));
  }

  async #post({ id, url, secrets, body }: WebhookMessage, signal: AbortSignal): Promise<void> {
    const response = await fetch(url, {
      method: 'POST',
      body,
      headers: {
        'content-type': 'application/json',
        'user-agent': 'pcf-api',
        ...traceHeaders(),
        ...signedHeaders(id, new Date(), body, secrets),
      },
      redirect: 'manual', // a redirect could select an address that was not checked
      dispatcher: this.#agent,
      signal: AbortSignal.any([signal, AbortSignal.timeout(this.settings.timeoutMs)]),
    }).catch((error: unknown) => {
      throw readable(error);
    });
    await response.body?.cancel();
    if (response.status === GONE) throw new HopelessJobError('the receiver returned 410 (Gone)');
    if (!response.ok) throw new WebhookRefusedError(response.status);
  }

  close(): Promise<void> {
    return this.#agent.close();
  }

  #check(text: string): void {
    const url = new URL(text);
    const port = blockedPortOf(url);
    if (port)
      throw new HopelessJobError(`webhooks cannot use the port ${port}, which belongs to another protocol`);
    if (this.settings.allowPrivate) return;
    const { protocol, hostname } = url;
    if (protocol !== 'https:') throw new HopelessJobError('webhooks require an https URL');
    try {
      refusePrivateHost(hostname);
    } catch (error) {
      throw new HopelessJobError((error as Error).message);
    }
  }
}

/** fetch has the actual error in `cause`. */
function readable(error: unknown): Error {
  const cause = (error as Error).cause ?? error;
  if (cause instanceof PrivateAddressError) return new HopelessJobError(cause.message);
  if (cause instanceof errors.UndiciError) return new Error(cause.code);
  const { code, message } = cause as { code?: unknown; message: string };
  return new Error(typeof code === 'string' ? code : message); // the code, because the message contains the address
}
