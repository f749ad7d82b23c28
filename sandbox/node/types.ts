/** Fields of a Pod that the process node supports. */
import type { KubeObject } from '../../operator/runtime/kube-client.js';

export interface EnvVar {
  name: string;
  value?: string;
  valueFrom?: {
    secretKeyRef?: { name: string; key: string; optional?: boolean };
    configMapKeyRef?: { name: string; key: string; optional?: boolean };
    fieldRef?: { fieldPath: string };
  };
}

/** Action of a probe or a hook: exactly one of these. */
export interface Action {
  httpGet?: HttpGet;
  exec?: { command: string[] };
  tcpSocket?: { port: number | string };
}

export interface HttpGet {
  path?: string;
  port: number | string;
  scheme?: 'HTTP' | 'HTTPS';
  httpHeaders?: { name: string; value: string }[];
}

export interface Probe extends Action {
  initialDelaySeconds?: number;
  periodSeconds?: number;
  timeoutSeconds?: number;
  successThreshold?: number;
  failureThreshold?: number;
}

export interface Container {
  name: string;
  image: string;
  command?: string[];
  args?: string[];
  env?: EnvVar[];
  envFrom?: {
    prefix?: string;
    configMapRef?: { name: string; optional?: boolean };
    secretRef?: { name: string; optional?: boolean };
  }[];
  ports?: { name?: string; containerPort: number }[];
  volumeMounts?: { name: string; mountPath: string; subPath?: string }[];
  startupProbe?: Probe;
  readinessProbe?: Probe;
  livenessProbe?: Probe;
  lifecycle?: { preStop?: Action & { sleep?: { seconds: number } } };
  terminationMessagePath?: string;
  terminationMessagePolicy?: 'File' | 'FallbackToLogsOnError';
}

export interface Pod extends KubeObject {
  spec: {
    nodeName?: string;
    serviceAccountName?: string;
    /** Init containers, which run sequentially before the containers. */
    initContainers?: Container[];
    containers: Container[];
    restartPolicy?: 'Always' | 'OnFailure' | 'Never';
    terminationGracePeriodSeconds?: number;
    volumes?: Volume[];
  };
  status?: { phase?: string; conditions?: Condition[]; [field: string]: unknown };
}

/** Keys that are mounted as files, and their names. Default: all keys. */
interface Items {
  optional?: boolean;
  items?: { key: string; path: string }[];
}

interface DownwardApi {
  items?: { path: string; fieldRef?: { fieldPath: string } }[];
}

/** Other kinds are empty directories. */
export interface Volume {
  name: string;
  configMap?: { name: string } & Items;
  secret?: { secretName: string } & Items;
  downwardAPI?: DownwardApi;
  projected?: {
    sources?: {
      configMap?: { name: string } & Items;
      secret?: { name: string } & Items;
      downwardAPI?: DownwardApi;
    }[];
  };
}

export interface Condition {
  type: string;
  status: 'True' | 'False' | 'Unknown';
  lastTransitionTime?: string;
  reason?: string;
  message?: string;
  observedGeneration?: number;
}

export interface ContainerState {
  waiting?: { reason: string; message?: string };
  running?: { startedAt: string };
  terminated?: Terminated;
}

export interface Terminated {
  exitCode: number;
  signal?: number;
  reason: string;
  message?: string;
  startedAt: string;
  finishedAt: string;
}
