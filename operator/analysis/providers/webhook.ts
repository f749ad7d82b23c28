/** Requests a verdict from an HTTP service. */
import { z } from 'zod';
import { durationMs } from '../../api/v1alpha1/kubernetes.js';
import { OutgoingError, post } from '../../runtime/outgoing/http.js';
import type { SecretReader } from '../../runtime/outgoing/secrets.js';
import type { Reading } from '../analysis-model.js';
import type { Provider, Request } from './provider.js';

const MAX_BYTES = 65_536;

const verdict = z.object({
  verdict: z.enum(['Success', 'Failure', 'Inconclusive']).default('Success'),
  value: z.number().optional(),
  message: z.string().optional(),
});

export class WebhookProvider implements Provider {
  readonly type = 'Webhook';

  constructor(private readonly secrets: SecretReader) {}

  async measure({ metric, subject, due, api }: Request, signal: AbortSignal): Promise<Reading> {
    const webhook = metric.spec.webhook!;
    const { namespace } = subject;
    const [authorization, tls] = await Promise.all([
      this.secrets.authorization(namespace, webhook.auth, signal),
      this.secrets.tls(namespace, webhook.tls, signal),
    ]);
    const { origin } = new URL(webhook.url);
    const target = `the webhook at ${origin}`;
    const response = await post(
      {
        url: webhook.url,
        target,
        headers: {
          ...authorization,
          'content-type': 'application/json',
          accept: 'application/json',
          // The same measurement can be requested twice if the operator was restarted in between.
          'idempotency-key': `${api.metadata.uid}/${subject.revision}/${due.name}/${due.since}/${due.number}`,
        },
        body: JSON.stringify({ ...subject, metric: due.name, measurement: due.number }),
        timeoutMs: durationMs(webhook.timeout),
        tls,
        maxBytes: MAX_BYTES,
      },
      signal,
    );
    if (response.status < 200 || response.status > 299) {
      throw new OutgoingError(
        `${target} returned status ${response.status}; a failure must be status 200 with {"verdict": "Failure"}`,
      );
    }
    return readingOf(response.text, target, metric.spec.min !== undefined || metric.spec.max !== undefined);
  }
}

/** An empty response, or plain text, is a success. Invalid JSON is an error, not a success. */
function readingOf(text: string, target: string, bounded: boolean): Reading {
  const body = json(text);
  const parsed = verdict.safeParse(body ?? {});
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new OutgoingError(
      `${target} returned an invalid response: ${issue?.path.join('.')} ${issue?.message}`,
    );
  }
  const { verdict: outcome, value, message } = parsed.data;
  if (bounded && value === undefined && outcome === 'Success') {
    return { type: 'Verdict', outcome: 'Inconclusive', message: message ?? 'the webhook returned no value' };
  }
  return { type: 'Verdict', outcome, value, message };
}

function json(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' ? value : undefined;
  } catch {
    return undefined;
  }
}
