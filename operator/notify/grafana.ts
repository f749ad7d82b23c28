/** Annotations of Grafana: POST /api/annotations. */
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { GrafanaTarget } from '../api/v1alpha1/spec/notifications.js';
import { type DeliveryEvent, headline } from './event.js';

/** Body of the request. Dashboards select annotations by their tags: `deployment` and the environment among others. */
export function grafanaAnnotation(api: PcfApi, target: GrafanaTarget, event: DeliveryEvent): unknown {
  const { namespace, name } = api.metadata;
  const { dashboardUID, panelId } = target;
  return {
    time: Date.parse(event.at),
    tags: [
      ...['pcf', 'deployment', api.spec.environment, event.type.toLowerCase()],
      ...[`namespace:${namespace}`, `name:${name}`, ...target.tags],
    ],
    text: escaped([headline(api, event), event.image].filter(Boolean).join('\n')),
    ...(dashboardUID ? { dashboardUID } : {}),
    ...(panelId ? { panelId } : {}),
  };
}

/** Grafana renders the text as HTML. */
function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
