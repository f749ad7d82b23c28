/** Annotations of Grafana: POST /api/annotations. */
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { GrafanaTarget } from '../api/v1alpha1/spec/notifications.js';
import { type DeliveryEvent, headline } from './event.js';

/** The body of the POST. Dashboards find it by the tags. */
export function grafanaAnnotation(api: PcfApi, target: GrafanaTarget, event: DeliveryEvent): unknown {
  const { namespace, name } = api.metadata;
  const { dashboardUID, panelId } = target;
  return {
    time: Date.parse(event.at),
    tags: ['pcf', event.type.toLowerCase(), `namespace:${namespace}`, `name:${name}`, ...target.tags],
    text: escaped([headline(api, event), event.image].filter(Boolean).join('\n')),
    ...(dashboardUID ? { dashboardUID } : {}),
    ...(panelId ? { panelId } : {}),
  };
}

/** Grafana shows the text as HTML. */
function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
