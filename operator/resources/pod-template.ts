/** The pod that runs one revision of the API. Frozen in its ControllerRevision when the revision is made. */
import { CONFIG_DIR, ENV, PATHS, PORTS, ROLES, TERMINATION_LOG } from '../../contract/image.js';
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { PcfApiSpec } from '../api/v1alpha1/spec.js';
import { commonLabels, LABELS, podSelector } from './metadata.js';

export interface EnvVar {
  name: string;
  value?: string;
  valueFrom?: Record<string, unknown>;
}

export interface Container {
  name: string;
  image: string;
  args: string[];
  env: EnvVar[];
  [field: string]: unknown;
}

export interface PodTemplate {
  metadata: { labels: Record<string, string> };
  spec: { containers: [Container]; [field: string]: unknown };
}

/** Longest graceful stop: readiness off, drain, close. The API's own deadline is shorter. */
const TERMINATION_GRACE_SECONDS = 45;

/** `configMap` is the revision's immutable ConfigMap; `revision` its name. */
export function podTemplate(api: PcfApi, revision: string, configMap: string): PodTemplate {
  const { spec } = api;
  const container: Container = {
    name: 'api',
    image: spec.image,
    args: [...ROLES.serve],
    env: environment(spec),
    ports: [
      { name: 'http', containerPort: PORTS.http, protocol: 'TCP' },
      { name: 'metrics', containerPort: PORTS.metrics, protocol: 'TCP' },
    ],
    resources: resources(spec),
    startupProbe: probe(PATHS.startup, { periodSeconds: 1, failureThreshold: 60 }),
    readinessProbe: probe(PATHS.ready, { periodSeconds: 2, failureThreshold: 2 }),
    livenessProbe: probe(PATHS.live, { periodSeconds: 10, failureThreshold: 3 }),
    terminationMessagePath: TERMINATION_LOG,
    terminationMessagePolicy: 'FallbackToLogsOnError',
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    },
    volumeMounts: [
      { name: 'config', mountPath: CONFIG_DIR, readOnly: true },
      { name: 'tmp', mountPath: '/tmp' },
    ],
  };
  return {
    metadata: { labels: { ...commonLabels(api), ...podSelector(api, revision) } },
    spec: {
      serviceAccountName: api.metadata.name,
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: TERMINATION_GRACE_SECONDS,
      securityContext: {
        runAsNonRoot: true,
        runAsUser: 1001,
        runAsGroup: 1001,
        fsGroup: 1001,
        seccompProfile: { type: 'RuntimeDefault' },
      },
      containers: [container],
      volumes: [
        { name: 'config', configMap: { name: configMap } },
        { name: 'tmp', emptyDir: {} },
      ],
    },
  };
}

function environment(spec: PcfApiSpec): EnvVar[] {
  const fromSecret = (name: string, ref: { name: string; key: string }): EnvVar => ({
    name,
    valueFrom: { secretKeyRef: { name: ref.name, key: ref.key } },
  });
  return [
    { name: ENV.environment, value: spec.environment },
    { name: ENV.configDir, value: CONFIG_DIR },
    { name: ENV.terminationLog, value: TERMINATION_LOG },
    {
      name: ENV.revision,
      valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: `metadata.labels['${LABELS.revision}']` } },
    },
    fromSecret(ENV.databaseUrl, spec.database.secretRef),
    ...(spec.redis ? [fromSecret(ENV.redisUrl, spec.redis.secretRef)] : []),
    ...spec.env,
  ];
}

/** The deployment guide's minimum: development 1 core and 512Mi, production 2 cores and 2Gi. */
const defaultLimits = {
  development: { cpu: '1', memory: '512Mi' },
  staging: { cpu: '1', memory: '1Gi' },
  production: { cpu: '2', memory: '2Gi' },
} as const;

function resources(spec: PcfApiSpec) {
  return (
    spec.resources ?? { requests: { cpu: '100m', memory: '256Mi' }, limits: defaultLimits[spec.environment] }
  );
}

function probe(path: string, timing: { periodSeconds: number; failureThreshold: number }) {
  return {
    httpGet: { path, port: 'http', scheme: 'HTTP' },
    timeoutSeconds: 2,
    successThreshold: 1,
    ...timing,
  };
}
