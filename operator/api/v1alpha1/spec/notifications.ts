/** Who is told of a delivery. */
import { z } from 'zod';
import { cel, dnsLabel, secretKeyRef } from '../kubernetes.js';
import { tlsClient, url } from './outgoing.js';

/** What is told. */
export const DELIVERY_EVENTS = ['Started', 'Promoted', 'Aborted', 'Undone', 'Failed'] as const;
export type DeliveryEventType = (typeof DELIVERY_EVENTS)[number];

const events = z
  .array(z.enum(DELIVERY_EVENTS))
  .min(1)
  .max(DELIVERY_EVENTS.length)
  .default([...DELIVERY_EVENTS])
  .meta({
    description:
      'What is told. `Failed`: something a person has to fix, such as a failed migration. Default: everything.',
    'x-kubernetes-list-type': 'set',
  });

const webhook = z.strictObject({
  name: dnsLabel.meta({ description: 'What it is called in Events and metrics.' }),
  urlSecretRef: secretKeyRef('the https URL', 'url').meta({
    description: 'The Secret that holds the URL, which lets anybody write who knows it.',
  }),
  events,
  tls: tlsClient.optional().meta({ description: 'Whom to trust. Default: what the system trusts.' }),
});
export type NotificationWebhook = z.output<typeof webhook>;

const grafana = z
  .strictObject({
    url: url.meta({ description: 'Address of Grafana.', examples: ['https://grafana.example.com'] }),
    tokenSecretRef: secretKeyRef('the token of a service account that may write annotations', 'token').meta({
      description: 'The Secret that holds the token of a service account that may write annotations.',
    }),
    dashboardUID: z.string().max(40).optional().meta({
      description: 'Dashboard to annotate. Left out: every one whose annotation query asks for the tags.',
    }),
    panelId: z
      .int()
      .min(1)
      .max(2_147_483_647)
      .optional()
      .meta({ description: 'Panel of that dashboard.', format: 'int32' }),
    tags: z.array(z.string().min(1).max(64)).max(8).default([]).meta({
      description: 'Tags besides `pcf`, the event, the namespace and the name.',
      'x-kubernetes-list-type': 'set',
    }),
    events,
    tls: tlsClient.optional().meta({ description: 'Whom to trust. Default: what the system trusts.' }),
  })
  .meta(
    cel(
      {
        rule: "self.url.startsWith('https://')",
        message: 'url must be https: a token is not sent in the clear',
        fieldPath: '.url',
      },
      {
        rule: '!has(self.panelId) || has(self.dashboardUID)',
        message: 'panelId needs dashboardUID: a panel is on a dashboard',
        fieldPath: '.panelId',
      },
    ),
  );
export type GrafanaTarget = z.output<typeof grafana>;

export const notifications = z.strictObject({
  webhooks: z
    .array(webhook)
    .max(8)
    .default([])
    .meta({
      description: 'Slack, or what takes the same JSON: Mattermost, Rocket.Chat, Discord at /slack.',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['name'],
    }),
  grafana: grafana.optional().meta({ description: 'Marks deliveries in the graphs of Grafana.' }),
});
export type NotificationsSpec = z.output<typeof notifications>;
