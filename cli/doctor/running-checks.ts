/** Checks of a running PcfApi: health, route, monitoring, alerts. */
import { PodKind, ServiceMonitorKind } from '../../operator/resources/kinds.js';
import { podSelector, selectorString } from '../../operator/resources/metadata.js';
import { isNotFound } from '../../operator/runtime/kube-client.js';
import type { KubeObject, ResourceType } from '../../operator/runtime/kube-types.js';
import { deletionLines } from '../status/deletion.js';
import { asAllowed, type Check, type Finding, type Subject } from './types.js';

const PrometheusRuleKind: ResourceType = {
  group: 'monitoring.coreos.com',
  version: 'v1',
  kind: 'PrometheusRule',
  plural: 'prometheusrules',
  namespaced: true,
};

export const runningChecks: Check[] = [
  asAllowed('health', health),
  route,
  deletion,
  degraded,
  asAllowed('monitoring', monitored),
  asAllowed('alerts', alerts),
];

async function health({ client, api, applied }: Subject): Promise<Finding | Finding[]> {
  if (!applied) return [];
  const check = 'health';
  const labelSelector = selectorString(podSelector(api));
  const { items } = await client.list(PodKind, { namespace: api.metadata.namespace, labelSelector });
  const unready = items.filter((pod) => !isReady(pod)).map(({ metadata }) => metadata.name);
  if (items.length > 0 && unready.length === 0)
    return { check, outcome: 'ok', message: `all ${items.length} pods are ready` };
  const message = items.length === 0 ? 'no pod exists' : `not ready: ${unready.join(', ')}`;
  return {
    check,
    outcome: 'fail',
    message,
    remedy: `see: kubectl pcf status ${api.metadata.name}`,
  };
}

function isReady(pod: KubeObject): boolean {
  const { conditions = [] } = (pod.status ?? {}) as { conditions?: { type: string; status: string }[] };
  return conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
}

async function route({ api, applied }: Subject): Promise<Finding | Finding[]> {
  if (!applied) return [];
  const check = 'route';
  const condition = api.status?.conditions?.find(({ type }) => type === 'TrafficRouted');
  if (condition?.status === 'True') return { check, outcome: 'ok', message: condition.message };
  return {
    check,
    outcome: 'fail',
    message: condition?.message ?? 'the operator has not written the route yet',
    remedy: `kubectl describe pcf ${api.metadata.name} -n ${api.metadata.namespace}`,
  };
}

/** Without an operator the finalizer blocks the deletion permanently. */
async function deletion({ api, applied }: Subject): Promise<Finding | Finding[]> {
  const [message, ...remedies] = (applied && deletionLines(api)) || [];
  if (!message) return [];
  return { check: 'deletion', outcome: 'warn', message, remedy: remedies.join('; ') || undefined };
}

async function degraded({ api, applied }: Subject): Promise<Finding | Finding[]> {
  const condition = api.status?.conditions?.find(({ type }) => type === 'Degraded');
  if (!applied || condition?.status !== 'True') return [];
  return { check: condition.reason, outcome: 'warn', message: condition.message };
}

async function monitored({ client, api, applied }: Subject): Promise<Finding> {
  const check = 'monitoring';
  if (!api.spec.monitoring?.serviceMonitor) {
    return {
      check,
      outcome: 'warn',
      message: 'spec.monitoring.serviceMonitor is off, so it is unknown whether Prometheus scrapes the pods',
      remedy: 'set spec.monitoring.serviceMonitor: true, or scrape port 9090 in another way',
    };
  }
  const { namespace, name } = api.metadata;
  const monitor = await unlessMissing(client.get(ServiceMonitorKind, namespace, name));
  if (monitor || !applied) return { check, outcome: 'ok', message: 'a ServiceMonitor selects the pods' };
  return {
    check,
    outcome: 'fail',
    message: 'the ServiceMonitor is missing',
    remedy: 'install the Prometheus operator',
  };
}

async function alerts({ client }: Subject): Promise<Finding> {
  const check = 'alerts';
  const rules = await unlessMissing(client.list(PrometheusRuleKind, {}));
  const ours = rules?.items.some((rule) => JSON.stringify(rule.spec ?? {}).includes('pcf_'));
  if (ours) return { check, outcome: 'ok', message: 'a PrometheusRule uses pcf_ metrics' };
  const message = rules ? 'no PrometheusRule uses pcf_ metrics' : 'the PrometheusRule CRD is not installed';
  return { check, outcome: 'warn', message, remedy: 'apply the rules of deploy/alerts' };
}

async function unlessMissing<T>(request: Promise<T>): Promise<T | undefined> {
  return request.catch((error: unknown) => {
    if (isNotFound(error)) return undefined;
    throw error;
  });
}
