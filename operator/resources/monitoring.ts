/**
 * Objects for Prometheus: a Service for the metrics port of all pods, and a ServiceMonitor that selects it.
 */
import { PATHS, PORTS } from '../../contract/image.js';
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { KubeObject } from '../runtime/kube-types.js';
import { ServiceKind, ServiceMonitorKind } from './kinds.js';
import { commonLabels, LABELS, owned } from './metadata.js';

const METRICS_PORT = 'metrics';

/** Headless, and includes pods that are not ready: their metrics are needed most. */
function metricsService(api: PcfApi): KubeObject {
  return owned(api, ServiceKind, `${api.metadata.name}-metrics`, {
    labels: { [LABELS.component]: METRICS_PORT },
    spec: {
      clusterIP: 'None',
      publishNotReadyAddresses: true,
      selector: commonLabels(api),
      ports: [{ name: METRICS_PORT, port: PORTS.metrics, targetPort: METRICS_PORT, protocol: 'TCP' }],
    },
  });
}

function serviceMonitor(api: PcfApi): KubeObject {
  const { labels, interval } = api.spec.monitoring ?? {};
  return owned(api, ServiceMonitorKind, api.metadata.name, {
    labels,
    spec: {
      selector: { matchLabels: { ...commonLabels(api), [LABELS.component]: METRICS_PORT } },
      // Distinguishes the canary from the stable revision in queries.
      podTargetLabels: [LABELS.instance, LABELS.component, LABELS.revision],
      endpoints: [{ port: METRICS_PORT, path: PATHS.metrics, interval }],
    },
  });
}

export function monitoring(api: PcfApi): KubeObject[] {
  return api.spec.monitoring?.serviceMonitor ? [metricsService(api), serviceMonitor(api)] : [];
}
