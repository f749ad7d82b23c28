/** Reports objects of the input that select the pods or that the operator creates, and converts the main Service. */
import type { Conversion } from '../conversion.js';
import type { Field } from '../source.js';

/** Objects that the operator creates from the spec. */
const CREATED: Record<string, string> = {
  PodDisruptionBudget: 'spec.availability.podDisruptionBudget',
  VerticalPodAutoscaler: 'spec.autoscaling.vertical',
  ServiceMonitor: 'spec.monitoring.serviceMonitor',
  PodMonitor: 'spec.monitoring.serviceMonitor',
  NetworkPolicy: 'spec.network',
};

/** Fields of a Service that the API server sets. */
const ASSIGNED = ['clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy', 'internalTrafficPolicy'];

/** Whether all labels of a selector are labels of the pods. */
function selects(selector: Field, labels: Field): boolean {
  const entries = selector.entries();
  return entries.length > 0 && entries.every(([key, field]) => labels.at(key).value === field.value);
}

/**
 * Converts the Services that the old controller used. `labels`: of the pods. `services`: names of the
 * Services, the main one first. `api`: name of the PcfApi.
 */
export function convertSurroundings(
  conversion: Conversion,
  labels: Field,
  services: readonly string[],
  api: string,
): void {
  for (const [kind, field] of Object.entries(CREATED))
    for (const object of conversion.all(kind)) {
      if (selectorOf(object).some((selector) => selects(selector, labels)))
        object.note(
          'NotConverted',
          'the operator creates such an object',
          `set ${field}, and delete this one`,
        );
    }
  for (const service of conversion.all('Service')) {
    const { name } = service.source.object.metadata;
    if (services.includes(name)) convertService(conversion, service, name === services[0], api);
    else if (selects(service.at('spec', 'selector'), labels))
      service.note(
        'NotConverted',
        'it selects pods of every revision, also of one without traffic',
        'let its clients use the Service of the PcfApi, and delete this one',
      );
  }
}

function selectorOf(object: Field): Field[] {
  return ['selector', 'podSelector'].map((key) => object.at('spec', key, 'matchLabels'));
}

function convertService(conversion: Conversion, service: Field, isMain: boolean, api: string): void {
  if (isMain) {
    const type = service.at('spec', 'type');
    if (type.value !== 'ExternalName') conversion.spec.set(['service', 'type'], type.text(), type);
    for (const [key, field] of service.at('metadata', 'annotations').entries())
      if (!key.startsWith('kubectl.kubernetes.io/') && !key.startsWith('pcf.dev/'))
        conversion.spec.set(['service', 'annotations', key], field.text(), field);
  }
  service.at('spec').noteDefaults({ sessionAffinity: 'None' });
  service.at('spec', 'selector').note('NotNeeded', 'the operator selects the pods');
  for (const key of ASSIGNED) service.at('spec', key).note('NotNeeded', 'the API server assigns it');
  service
    .at('spec', 'ports')
    .note('Changed', 'the Service of the PcfApi has port 80', 'check clients that use another port');
  const isTaken = service.source.object.metadata.name === api;
  service.remark(
    'Changed',
    `the operator creates the Services ${api}, and ${api}-preview for BlueGreen`,
    isTaken
      ? 'set --name: until this one is deleted, its name is taken'
      : 'change the clients, and delete this one',
  );
}
