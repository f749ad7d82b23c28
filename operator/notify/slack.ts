/** Incoming webhooks of Slack. Mattermost, Rocket.Chat and Discord (at /slack) accept the same JSON. */
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { DeliveryEventType } from '../api/v1alpha1/spec/notifications.js';
import type { ApprovalLinks } from './approval-links.js';
import { type DeliveryEvent, headline } from './event.js';

const COLORS: Record<DeliveryEventType, string> = {
  Started: '#439fe0',
  Promoted: 'good',
  Aborted: 'danger',
  Undone: 'warning',
  Failed: 'danger',
  ApprovalRequested: 'warning',
};

/** Body of the request. All of these services support `attachments`; only Slack supports Block Kit. */
export function slackMessage(api: PcfApi, event: DeliveryEvent, links?: ApprovalLinks): unknown {
  const text = escaped(headline(api, event));
  const fields = [
    field('Image', event.image),
    field('Before', event.from),
    field('Commit', event.commit),
    field('By', event.by),
  ].flatMap((it) => it ?? []);
  const ts = Math.floor(Date.parse(event.at) / 1000);
  return {
    text,
    attachments: [
      {
        color: COLORS[event.type],
        fallback: text,
        ...(links ? { text: linkText(links) } : {}),
        fields,
        footer: 'pcf-operator',
        ts,
      },
    ],
  };
}

/** In the markup of Slack, which the other services accept, too. */
function linkText({ approve, abort, expireAt }: ApprovalLinks): string {
  return `<${approve}|Approve> or <${abort}|Abort>, until ${expireAt.slice(0, 19)}Z`;
}

function field(title: string, value: string | undefined) {
  return value ? { title, value: escaped(value), short: true } : undefined;
}

/** Escapes the markup of Slack: `<!channel>` in a reason must not notify a channel. */
function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
