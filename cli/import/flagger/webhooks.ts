/** Converts the webhooks of a Canary: confirmations become pauses. */
import type { Field } from '../source.js';

/** Webhooks that a manual promotion replaces. */
export interface Gates {
  /** Before the first traffic. */
  start?: Field;
  /** Before each increase of the weight. */
  increase?: Field;
  promotion?: Field;
}

const GATES: Record<string, keyof Gates> = {
  'confirm-rollout': 'start',
  'confirm-traffic-increase': 'increase',
  'confirm-promotion': 'promotion',
};

const REST: Record<string, [why: string, instead: string]> = {
  'pre-rollout': [
    'a check of a delivery is a metric',
    'add a metric with a Job, and name it in a step with weight 0',
  ],
  rollout: [
    'a check of a delivery is a metric',
    'add a metric with a Job or a webhook, or generate load from CI',
  ],
  'post-rollout': [
    'nothing is called after a delivery',
    'use spec.notifications.webhooks, or kubectl pcf wait in CI',
  ],
  rollback: ['a rollback is a command', 'run kubectl pcf abort'],
  event: ['events are sent as notifications', 'set spec.notifications.webhooks'],
};

/** Reports all webhooks, and returns those that become pauses. */
export function convertWebhooks(webhooks: Field): Gates {
  const gates: Gates = {};
  for (const webhook of webhooks.items()) {
    const type = String(webhook.at('type').value ?? 'rollout');
    const gate = GATES[type];
    if (gate) {
      gates[gate] ??= webhook;
      webhook.note(
        'Changed',
        'a manual promotion replaces the confirmation of the webhook',
        'run kubectl pcf promote',
      );
    } else {
      const [why, instead] = REST[type] ?? ['the type of the webhook is unknown', ''];
      webhook.note('NotConverted', why, instead);
    }
  }
  return gates;
}
