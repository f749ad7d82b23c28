/** Destinations of notifications about deliveries. */
import { z } from 'zod';
import { cel, dnsLabel, durationWithin, secretKeyRef } from '../kubernetes.js';
import { tlsClient, url } from './outgoing.js';

/** Events that are sent as notifications. */
export const DELIVERY_EVENTS = [
  'Started',
  'Promoted',
  'Aborted',
  'Undone',
  'Failed',
  'ApprovalRequested',
] as const;
export type DeliveryEventType = (typeof DELIVERY_EVENTS)[number];
/** Webhooks that existed before approvals do not receive them, nor their links. */
const DEFAULT_EVENTS: DeliveryEventType[] = ['Started', 'Promoted', 'Aborted', 'Undone', 'Failed'];

const events = z
  .array(z.enum(DELIVERY_EVENTS))
  .min(1)
  .max(DELIVERY_EVENTS.length)
  .default(DEFAULT_EVENTS)
  .meta({
    description:
      'Events to send. `Failed`: manual action is required, for example after a failed migration. `ApprovalRequested`: a step waits for its manual promotion. Default: all but ApprovalRequested.',
    'x-kubernetes-list-type': 'set',
  });

const webhook = z.strictObject({
  name: dnsLabel.meta({ description: 'Name of the webhook in Events and metrics.' }),
  urlSecretRef: secretKeyRef('the https URL', 'url').meta({
    description: 'Secret with the URL. The URL is a credential: it authorizes its holder to post messages.',
  }),
  events,
  tls: tlsClient
    .optional()
    .meta({ description: 'TLS settings. Default: the certificate authorities of the system.' }),
});
export type NotificationWebhook = z.output<typeof webhook>;

const grafana = z
  .strictObject({
    url: url.meta({ description: 'URL of Grafana.', examples: ['https://grafana.example.com'] }),
    tokenSecretRef: secretKeyRef(
      'the token of a service account with permission to write annotations',
      'token',
    ).meta({
      description: 'Secret with the token of a service account with permission to write annotations.',
    }),
    dashboardUID: z.string().max(40).optional().meta({
      description:
        'UID of the dashboard to annotate. Unset: an annotation of the organization, shown by every dashboard that queries its tags.',
    }),
    panelId: z
      .int()
      .min(1)
      .max(2_147_483_647)
      .optional()
      .meta({ description: 'Panel of that dashboard to annotate.', format: 'int32' }),
    tags: z.array(z.string().min(1).max(64)).max(8).default([]).meta({
      description:
        'Tags in addition to `pcf`, `deployment`, the environment, the event, the namespace and the name.',
      'x-kubernetes-list-type': 'set',
    }),
    events,
    tls: tlsClient
      .optional()
      .meta({ description: 'TLS settings. Default: the certificate authorities of the system.' }),
  })
  .meta(
    cel(
      {
        rule: "self.url.startsWith('https://')",
        message: 'url must be https: a token is not sent in plain text',
        fieldPath: '.url',
      },
      {
        rule: '!has(self.panelId) || has(self.dashboardUID)',
        message: 'panelId needs dashboardUID',
        fieldPath: '.panelId',
      },
    ),
  );
export type GrafanaTarget = z.output<typeof grafana>;

/** A replaced key verifies links longer than that. */
export const MAX_LINK_LIFETIME = '168h';

const approvalLinks = z.strictObject({
  expiresAfter: durationWithin('1m', MAX_LINK_LIFETIME).default('24h').meta({
    description:
      'Time from the start of the wait until its links expire: 1m to 168h. After that: `kubectl pcf promote`.',
  }),
});

export const notifications = z
  .strictObject({
    webhooks: z
      .array(webhook)
      .max(8)
      .default([])
      .meta({
        description:
          'Incoming webhooks of Slack, or of servers that accept the same JSON: Mattermost, Rocket.Chat, Discord at /slack.',
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['name'],
      }),
    grafana: grafana.optional().meta({ description: 'Annotates deliveries in Grafana.' }),
    approvalLinks: approvalLinks.optional().meta({
      description:
        'Adds links to approve and to abort to the notification `ApprovalRequested` of webhooks. Anyone who has a link can use it once. Requires the public URL of approvals in the settings of the operator. Unset: no links.',
    }),
  })
  .meta(
    cel({
      rule: "!has(self.approvalLinks) || has(self.webhooks) && self.webhooks.exists(w, 'ApprovalRequested' in w.events)",
      message: 'approvalLinks needs a webhook with the event ApprovalRequested',
      fieldPath: '.approvalLinks',
    }),
  );
export type NotificationsSpec = z.output<typeof notifications>;
