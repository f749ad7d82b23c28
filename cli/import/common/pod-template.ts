/** Converts a pod template to the fields of PcfApi. */
import { OPERATOR_LABELS } from '../../../operator/api/v1alpha1/spec/labels.js';
import type { Conversion } from '../conversion.js';
import type { Field } from '../source.js';
import { convertContainer, coverEmpty } from './container.js';
import { convertVolumes } from './volumes.js';

const ZONE = 'topology.kubernetes.io/zone';
const DEFAULTS = { restartPolicy: 'Always', dnsPolicy: 'ClusterFirst', schedulerName: 'default-scheduler' };
const HOSTNAME = 'kubernetes.io/hostname';

/** Converts a PodTemplateSpec. `workload` is the name of the object that the template belongs to. */
export function convertPodTemplate(conversion: Conversion, template: Field, workload: string): void {
  const pod = template.at('spec');
  convertPodMetadata(conversion, template.at('metadata'));
  const container = apiContainer(pod, workload);
  convertContainer(conversion, container);
  convertVolumes(conversion, pod.at('volumes'), container.at('volumeMounts'));
  convertScheduling(conversion, pod);
  conversion.spec.set(
    ['terminationGracePeriod'],
    pod.at('terminationGracePeriodSeconds').duration(),
    pod.at('terminationGracePeriodSeconds'),
  );
  for (const secret of pod.at('imagePullSecrets').items())
    conversion.spec.append(['imagePullSecrets'], { name: secret.at('name').text() }, secret);
  reportPodSettings(pod);
}

/** The container of the API: the only one, the one with the name of the workload, or the first one. */
function apiContainer(pod: Field, workload: string): Field {
  const containers = pod.at('containers').items();
  const container = containers.find((it) => it.at('name').value === workload) ?? containers[0];
  if (!container) throw pod.invalid('has no containers');
  container.at('name').note('NotNeeded', 'the operator names the container');
  for (const other of containers.filter((it) => it !== container))
    other.note(
      'NotConverted',
      'the pods of a PcfApi have one container',
      'inject the sidecar with an admission webhook, or run it as a workload of its own',
    );
  return container;
}

function convertPodMetadata(conversion: Conversion, metadata: Field): void {
  for (const [key, field] of metadata.at('labels').entries()) {
    if (OPERATOR_LABELS.includes(key) || key.startsWith('pcf.dev/') || key === 'pod-template-hash')
      field.note('NotConverted', 'the operator sets this label', 'select pods by another label');
    else conversion.spec.set(['podMetadata', 'labels', key], field.text(), field);
  }
  for (const [key, field] of metadata.at('annotations').entries()) {
    if (key.startsWith('pcf.dev/')) field.note('NotConverted', 'the operator owns this prefix');
    else conversion.spec.set(['podMetadata', 'annotations', key], field.text(), field);
  }
}

function convertScheduling(conversion: Conversion, pod: Field): void {
  const { spec } = conversion;
  for (const key of ['nodeSelector', 'affinity', 'priorityClassName']) {
    const field = pod.at(key);
    spec.set(['scheduling', key], field.whole(), field);
  }
  for (const toleration of pod.at('tolerations').items())
    spec.append(['scheduling', 'tolerations'], toleration.whole(), toleration);
  const [constraint, ...others] = pod.at('topologySpreadConstraints').items();
  for (const other of others)
    other.note('NotConverted', 'the operator sets one constraint', 'use spec.scheduling.affinity');
  if (constraint) convertSpread(conversion, constraint);
}

function convertSpread(conversion: Conversion, constraint: Field): void {
  const key = constraint.at('topologyKey');
  if (key.value !== ZONE && key.value !== HOSTNAME) {
    constraint.note('NotConverted', 'pods are spread over zones or nodes', 'use spec.scheduling.affinity');
    return;
  }
  conversion.spec.set(['availability', 'topologySpread'], key.text() === ZONE ? 'Zone' : 'Node', constraint);
  constraint.at('labelSelector').note('NotNeeded', 'the operator selects the pods of the revision');
  const strictness = constraint.at('whenUnsatisfiable');
  if (strictness.value === 'ScheduleAnyway') strictness.cover();
  else
    strictness.note(
      'Changed',
      'the operator spreads pods as far as possible (ScheduleAnyway)',
      'use spec.scheduling.affinity',
    );
}

function reportPodSettings(pod: Field): void {
  const image = 'change the image, so that it does not need it';
  pod.at('initContainers').note('NotConverted', 'the pods of a PcfApi have no init containers', image);
  coverEmpty(pod.at('securityContext'));
  pod
    .at('securityContext')
    .noteUnlessCovered(
      'NotConverted',
      'the operator sets the Pod Security Standard "restricted": user 1001, no capabilities',
      image,
    );
  for (const key of ['serviceAccountName', 'serviceAccount'])
    pod
      .at(key)
      .note(
        'NotConverted',
        'the operator creates a ServiceAccount with the name of the PcfApi',
        'copy labels and annotations for workload identity to spec.serviceAccount',
      );
  pod.at('automountServiceAccountToken').note('NotNeeded', 'the operator mounts no token');
  pod.noteDefaults(DEFAULTS);
}
