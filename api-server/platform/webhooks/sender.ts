/** Sends one signed message to one address. */
import { Agent, errors, fetch } from 'undici';
import { HopelessJobError } from '../jobs/job.js';
import { inSpan, traceHeaders } from '../tracing/tracing.js';
import { PrivateAddressError, publicLookup, refusePrivateHost } from './private-addresses.js';
import { signedHeaders } from './signature.js';

export interface WebhookMessage {
  /** The same at each try: by it a receiver knows what it has had. */
  id: string;
  url: string;
  /** The newest first; all of them sign. */
  secrets: readonly string[];
  /** JSON. */
  body: string;
}

export interface SenderSettings {
  timeoutMs: number;
  /** For development alone: addresses in private networks, and plain HTTP. */
  allowPrivate: boolean;
}

/** An answer that was not a 2xx. */
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
      maxResponseSize: 64 * 1_024, // nobody reads it
    });
  }

  /** Throws when the receiver did not take it; a HopelessJobError when it never will. */
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
      redirect: 'manual', // it would lead away from the address that was checked
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

  #check(url: string): void {
    const { protocol, hostname } = new URL(url);
    if (this.settings.allowPrivate) return;
    if (protocol !== 'https:') throw new HopelessJobError('webhooks require an https URL');
    try {
      refusePrivateHost(hostname);
    } catch (error) {
      throw new HopelessJobError((error as Error).message);
    }
  }
}

/** fetch hides what went wrong in the cause. */
function readable(error: unknown): Error {
  const cause = (error as Error).cause ?? error;
  if (cause instanceof PrivateAddressError) return new HopelessJobError(cause.message);
  if (cause instanceof errors.UndiciError) return new Error(cause.code);
  const { code, message } = cause as { code?: unknown; message: string };
  return new Error(typeof code === 'string' ? code : message); // a code, rather than an address
}
