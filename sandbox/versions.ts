/** Versions of components. The version of the control plane is in control-plane/go.mod. */
export const VERSIONS = {
  kubernetes: 'v1.37.2',
  etcd: 'v3.7.0',
  helm: 'v4.3.1',
  istioApi: 'v1.31.1',
  gatewayApi: 'v1.6.3',
  verticalPodAutoscaler: 'v1.8.1',
  prometheusOperator: 'v0.85.0',
  certManager: 'v1.21.2',
  externalSecrets: 'v1.3.2',
  volumeSnapshots: 'v8.7.0',
  cloudNativePg: 'v1.28.0',
  /** v3.2.12 does not compile; the go.mod of newer releases replaces a module with a folder. */
  argoCd: 'v3.2.11',
} as const;
