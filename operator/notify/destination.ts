/** Destinations of the events of a PcfApi. */
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type {
  GrafanaTarget,
  NotificationsSpec,
  NotificationWebhook,
} from '../api/v1alpha1/spec/notifications.js';
import { OutgoingError, type OutgoingResponse, post } from '../runtime/outgoing/http.js';
import type { SecretReader } from '../runtime/outgoing/secrets.js';
import type { LinkSource } from './approval-links.js';
import { type DeliveryEvent, idempotencyKey } from './event.js';
import { grafanaAnnotation } from './grafana.js';
import { slackMessage } from './slack.js';

/** A destination of an event. */
export interface Destination {
  kind: 'webhook' | 'grafana';
  /** Name in the spec, for Events and logs. Never its URL. */
  label: string;
  /** Sends once. Throws a {@link DeliveryRefused} if a retry is useless. */
  send(event: DeliveryEvent, signal: AbortSignal): Promise<void>;
}

/** The server rejected the request permanently. */
export class DeliveryRefused extends Error {
  override readonly name = 'DeliveryRefused';
}

/** The server responded with Retry-After. */
export class TryLater extends Error {
  override readonly name = 'TryLater';
  constructor(
    message: string,
    readonly afterMs: number | undefined,
  ) {
    super(message);
  }
}

const TIMEOUT_MS = 10_000;
const MAX_BYTES = 65_536;

/** Destinations of the event. */
export function destinationsOf(
  api: PcfApi,
  { webhooks, grafana }: NotificationsSpec,
  event: DeliveryEvent,
  secrets: SecretReader,
  links?: LinkSource,
): Destination[] {
  const wants = ({ events }: { events: readonly string[] }) => events.includes(event.type);
  return [
    ...webhooks.filter(wants).map((webhook) => webhookDestination(api, webhook, secrets, links)),
    ...(grafana && wants(grafana) ? [grafanaDestination(api, grafana, secrets)] : []),
  ];
}

function webhookDestination(
  api: PcfApi,
  webhook: NotificationWebhook,
  secrets: SecretReader,
  links: LinkSource | undefined,
): Destination {
  const { namespace } = api.metadata;
  const label = `webhook ${webhook.name}`;
  return {
    kind: 'webhook',
    label,
    async send(event, signal) {
      const url = await secrets.value(namespace, webhook.urlSecretRef, signal);
      const { name, key } = webhook.urlSecretRef;
      if (!url.startsWith('https://')) {
        throw new OutgoingError(
          `${label}: key "${key}" of Secret ${namespace}/${name} contains no https URL`,
        );
      }
      const tls = await secrets.tls(namespace, webhook.tls, signal);
      const headers = jsonHeaders(api, event);
      const approval = await links?.linksFor(api, event, webhook.name, signal);
      const body = JSON.stringify(slackMessage(api, event, approval));
      accept(
        label,
        await post(
          { url, target: label, headers, body, tls, timeoutMs: TIMEOUT_MS, maxBytes: MAX_BYTES },
          signal,
        ),
      );
    },
  };
}

function grafanaDestination(api: PcfApi, grafana: GrafanaTarget, secrets: SecretReader): Destination {
  const { namespace } = api.metadata;
  const label = `Grafana at ${grafana.url}`;
  return {
    kind: 'grafana',
    label,
    async send(event, signal) {
      const [authorization, tls] = await Promise.all([
        secrets.authorization(namespace, { bearerSecretRef: grafana.tokenSecretRef }, signal),
        secrets.tls(namespace, grafana.tls, signal),
      ]);
      const url = `${grafana.url.replace(/\/$/, '')}/api/annotations`;
      const headers = { ...jsonHeaders(api, event), ...authorization };
      const body = JSON.stringify(grafanaAnnotation(api, grafana, event));
      accept(
        label,
        await post(
          { url, target: label, headers, body, tls, timeoutMs: TIMEOUT_MS, maxBytes: MAX_BYTES },
          signal,
        ),
      );
    },
  };
}

function jsonHeaders(api: PcfApi, event: DeliveryEvent): Record<string, string> {
  return {
    'content-type': 'application/json',
    accept: 'application/json',
    'idempotency-key': idempotencyKey(api, event),
  };
}

/** The response body is omitted from messages: some services include the URL in it. */
export function accept(label: string, { status, headers }: OutgoingResponse): void {
  if (status >= 200 && status <= 299) return;
  const message = `${label} returned status ${status}`;
  if (status === 408 || status === 429 || status >= 500) throw new TryLater(message, retryAfterMs(headers));
  throw new DeliveryRefused(message);
}

function retryAfterMs(headers: OutgoingResponse['headers']): number | undefined {
  const seconds = Number(headers['retry-after'] ?? Number.NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : undefined;
}
