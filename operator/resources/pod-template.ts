/** The pod of a revision. Its template is frozen in the ControllerRevision when the revision is created. */
import { CONFIG_DIR, ENV, PATHS, PORTS, ROLES, TERMINATION_LOG } from '../../contract/image.js';
import { podResources } from '../api/v1alpha1/defaults.js';
import { durationMs } from '../api/v1alpha1/kubernetes.js';
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { ProbeTiming } from '../api/v1alpha1/spec/pods.js';
import { connectionsPerPod } from './connection-budget.js';
import { type Component, commonLabels, LABELS, podSelector } from './metadata.js';
import { podAuth } from './pod-auth.js';
import { podTls } from './pod-tls.js';
import { schedulingOf } from './scheduling.js';
import { type EnvVar, secretSources } from './secret-sources.js';

/** Name of the API container. */
export const API_CONTAINER = 'api';

export interface Container {
  name: string;
  image: string;
  args: string[];
  env: EnvVar[];
  [field: string]: unknown;
}

export interface PodTemplate {
  metadata: { labels: Record<string, string>; annotations?: Record<string, string> };
  spec: { containers: [Container]; [field: string]: unknown };
}

/**
 * Maximum duration of a graceful shutdown: readiness fails, requests are served until this has propagated,
 * then they are drained. The deadline of the API is shorter. There is no preStop hook: the API delays its
 * shutdown on SIGTERM itself, and reports that it is not ready meanwhile, which a hook would delay
 * (docs/api.md, `shutdown.delay`).
 */
export const TERMINATION_GRACE_MS = 45_000;

/** Timings: startup is probed frequently, and a restart is the last resort. */
export const DEFAULT_TIMING = {
  startup: { periodSeconds: 1, timeoutSeconds: 2, failureThreshold: 60 },
  readiness: { periodSeconds: 2, timeoutSeconds: 2, failureThreshold: 2 },
  liveness: { periodSeconds: 10, timeoutSeconds: 2, failureThreshold: 3 },
} as const;

/** Required by the Pod Security Standard `restricted`, for all pods that the operator creates. */
export const POD_SECURITY = {
  runAsNonRoot: true,
  runAsUser: 1001,
  runAsGroup: 1001,
  fsGroup: 1001,
  seccompProfile: { type: 'RuntimeDefault' },
};
export const CONTAINER_SECURITY = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
};

/** `configMap`: immutable ConfigMap of the revision; `revision`: its name. */
export function podTemplate(api: PcfApi, revision: string, configMap: string): PodTemplate {
  const { spec } = api;
  const secrets = secretSources(spec);
  const tls = podTls(spec);
  const container: Container = {
    name: API_CONTAINER,
    image: spec.image,
    args: [...ROLES.serve],
    env: environment(api, [...secrets.env, ...tls.env]),
    ...(spec.envFrom?.length ? { envFrom: spec.envFrom } : {}),
    ports: [
      { name: 'http', containerPort: PORTS.http, protocol: 'TCP' },
      { name: 'metrics', containerPort: PORTS.metrics, protocol: 'TCP' },
    ],
    resources: podResources(spec),
    startupProbe: probe(PATHS.startup, DEFAULT_TIMING.startup, spec.probes?.startup, tls.scheme),
    readinessProbe: probe(PATHS.ready, DEFAULT_TIMING.readiness, spec.probes?.readiness, tls.scheme),
    livenessProbe: probe(PATHS.live, DEFAULT_TIMING.liveness, spec.probes?.liveness, tls.scheme),
    terminationMessagePath: TERMINATION_LOG,
    terminationMessagePolicy: 'FallbackToLogsOnError',
    securityContext: CONTAINER_SECURITY,
    volumeMounts: [
      { name: 'config', mountPath: CONFIG_DIR, readOnly: true },
      { name: 'tmp', mountPath: '/tmp' },
      ...secrets.volumeMounts,
      ...tls.volumeMounts,
      ...(spec.volumeMounts ?? []),
    ],
  };
  return {
    metadata: podMetadata(api, { ...commonLabels(api), ...podSelector(api, revision) }),
    spec: {
      serviceAccountName: api.metadata.name,
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: gracePeriodSeconds(api),
      ...(spec.imagePullSecrets?.length ? { imagePullSecrets: spec.imagePullSecrets } : {}),
      ...schedulingOf(api, revision),
      securityContext: POD_SECURITY,
      containers: [container],
      volumes: [
        { name: 'config', configMap: { name: configMap } },
        { name: 'tmp', emptyDir: spec.tmp ?? {} },
        ...secrets.volumes,
        ...tls.volumes,
        ...(spec.volumes ?? []),
      ],
    },
  };
}

/** Labels and annotations of a pod: those of the user, and the labels of the operator. */
export function podMetadata({ spec }: PcfApi, own: Record<string, string>): PodTemplate['metadata'] {
  const { labels, annotations = {} } = spec.podMetadata ?? {};
  return {
    labels: { ...labels, ...own },
    ...(Object.keys(annotations).length > 0 ? { annotations } : {}),
  };
}

function gracePeriodSeconds({ spec }: PcfApi): number {
  const ms = spec.terminationGracePeriod ? durationMs(spec.terminationGracePeriod) : TERMINATION_GRACE_MS;
  return Math.ceil(ms / 1000);
}

function environment(api: PcfApi, secrets: EnvVar[]): EnvVar[] {
  const { environment, redis, env, monitoring } = api.spec;
  const rotation = podAuth(api.spec)?.rotation;
  const connections = connectionsPerPod(api);
  const own: EnvVar[] = [
    { name: ENV.environment, value: environment },
    { name: ENV.configDir, value: CONFIG_DIR },
    { name: ENV.terminationLog, value: TERMINATION_LOG },
    {
      name: ENV.revision,
      valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: `metadata.labels['${LABELS.revision}']` } },
    },
    ...secrets,
    ...(connections ? [{ name: ENV.databaseMaxConnections, value: String(connections) }] : []),
    ...(rotation ? [{ name: ENV.jwtRotationOverlap, value: secondsOf(rotation.overlap) }] : []),
    ...(trustsGateway(api) ? [{ name: ENV.trustedProxies, value: '1' }] : []),
    ...(needsShutdownDelay(api) ? [{ name: ENV.shutdownDelay, value: DEVELOPMENT_SHUTDOWN_DELAY }] : []),
    ...(redis?.mode && redis.mode !== DEFAULT_REDIS_MODE
      ? [{ name: ENV.redisMode, value: redis.mode.toLowerCase() }]
      : []),
    ...(monitoring?.tracing ? [{ name: ENV.tracingEndpoint, value: monitoring.tracing.endpoint }] : []),
  ];
  // A stored object may have a name that a later version of the CRD reserves: server-side apply rejects duplicates.
  return [...own.filter(({ name }) => !env.some((given) => given.name === name)), ...env];
}

/**
 * Behind a gateway all clients would share one address, and failed logins of one client would lock out all
 * others. Only the last entry of X-Forwarded-For, which the gateway adds, is trusted; clients can set the
 * entries before it. With more proxies, the user sets the number.
 */
function trustsGateway({ spec }: PcfApi): boolean {
  const { traffic, config } = spec;
  const isBehind = traffic !== undefined && (traffic.provider !== 'None' || traffic.ingress !== undefined);
  const said = (config?.server as Record<string, unknown> | undefined)?.trusted_proxies;
  return isBehind && said === undefined;
}

/**
 * The settings of development have no delay, as local runs need none. On Kubernetes, kube-proxy
 * sends requests to a terminating pod until it has read that the endpoint is not ready.
 */
const DEVELOPMENT_SHUTDOWN_DELAY = '2s';

function needsShutdownDelay({ spec: { environment, config } }: PcfApi): boolean {
  const configured = (config?.shutdown as Record<string, unknown> | undefined)?.delay;
  return environment === 'development' && configured === undefined;
}

/** Default in the schema of the spec and in the image. */
export const DEFAULT_REDIS_MODE = 'Standalone';

/** The API accepts durations with a single unit. */
function secondsOf(duration: string): string {
  return `${Math.ceil(durationMs(duration) / 1_000)}s`;
}

function probe(
  path: string,
  timing: Required<ProbeTiming>,
  changed: ProbeTiming | undefined,
  scheme: string,
) {
  return { httpGet: { path, port: 'http', scheme }, successThreshold: 1, ...timing, ...changed };
}

/**
 * The pod of the revision for another purpose: image, settings, Secrets and security context, with a
 * different container. Topology spread constraints of the API do not apply.
 */
export function variant(template: PodTemplate, component: Component, container: Container): PodTemplate {
  const { topologySpreadConstraints, ...spec } = template.spec;
  const labels = { ...template.metadata.labels, [LABELS.component]: component };
  return { metadata: { ...template.metadata, labels }, spec: { ...spec, containers: [container] } };
}
