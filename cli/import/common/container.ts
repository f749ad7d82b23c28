/** Converts a container to image, resources, probes and environment of a PcfApi. */
import { PATHS, PORTS } from '../../../contract/image.js';
import type { Conversion } from '../conversion.js';
import type { Field } from '../source.js';
import { convertEnvironment } from './environment.js';

const PROBES = { startupProbe: 'startup', readinessProbe: 'readiness', livenessProbe: 'liveness' } as const;
const TIMINGS = ['periodSeconds', 'timeoutSeconds', 'failureThreshold'];
const HANDLERS = ['httpGet', 'tcpSocket', 'exec', 'grpc'];
const DEFAULTS = {
  imagePullPolicy: 'IfNotPresent',
  terminationMessagePath: '/dev/termination-log',
  terminationMessagePolicy: 'File',
};
const RESOURCES = ['cpu', 'memory', 'ephemeral-storage'];

export function convertContainer(conversion: Conversion, container: Field): void {
  const image = container.at('image');
  if (!image.text()) throw container.invalid('has no image');
  conversion.spec.set(['image'], image.text());
  convertResources(conversion, container.at('resources'));
  convertEnvironment(conversion, container);
  for (const [key, name] of Object.entries(PROBES)) convertProbe(conversion, container.at(key), name);
  reportContainerSettings(container);
}

/** An empty map of settings, as charts and the API server write it, has no effect. */
export function coverEmpty(settings: Field): void {
  if (settings.hasOnly()) settings.cover();
}

function convertResources(conversion: Conversion, resources: Field): void {
  coverEmpty(resources);
  for (const kind of ['requests', 'limits'])
    for (const [key, field] of resources.at(kind).entries()) {
      if (RESOURCES.includes(key)) conversion.spec.set(['resources', kind, key], field.scalar(), field);
      else field.note('NotConverted', `PcfApi has ${RESOURCES.join(', ')} only`);
    }
}

function convertProbe(conversion: Conversion, probe: Field, name: string): void {
  for (const key of TIMINGS) {
    const field = probe.at(key);
    conversion.spec.set(['probes', name, key], field.number(), field);
  }
  probe.noteDefaults({ successThreshold: 1 });
  for (const key of HANDLERS)
    probe.at(key).note('Changed', `the operator probes ${PATHS.live} paths of the API, port ${PORTS.http}`);
  probe
    .at('initialDelaySeconds')
    .note(
      'NotConverted',
      'a startup probe runs before the other probes',
      'set spec.probes.startup.failureThreshold',
    );
}

function reportContainerSettings(container: Field): void {
  const program = 'the operator starts the roles of the API image';
  const own = 'use an image that implements the contract of docs/architecture.md';
  for (const key of ['command', 'args', 'workingDir']) container.at(key).note('NotConverted', program, own);
  for (const port of container.at('ports').items()) {
    const number = port.at('containerPort').value;
    if (number === PORTS.http || number === PORTS.metrics)
      port.note('NotNeeded', `the API listens on ${PORTS.http}, and on ${PORTS.metrics} for metrics`);
    else
      port.note(
        'Changed',
        `the API listens on ${PORTS.http}, and on ${PORTS.metrics} for metrics`,
        'check clients that use the port of a pod',
      );
  }
  container.noteDefaults(DEFAULTS);
  container
    .at('imagePullPolicy')
    .noteUnlessCovered(
      'NotConverted',
      'the default of Kubernetes applies',
      'use a new tag or a digest for each image',
    );
  coverEmpty(container.at('securityContext'));
  container
    .at('securityContext')
    .noteUnlessCovered(
      'NotConverted',
      'the operator sets the Pod Security Standard "restricted" and a read-only root file system',
      'write to /tmp or to a volume',
    );
  container
    .at('lifecycle')
    .note('NotConverted', 'the API finishes its requests after SIGTERM', 'set spec.terminationGracePeriod');
}
