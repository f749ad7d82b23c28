/** metrics-server as a process, registered with the API server as its Deployment would be. */
import { join } from 'node:path';
import type { Kubectl } from '../../../sandbox/kubectl.js';
import type { Ledger } from '../../../sandbox/process/ledger.js';
import { ManagedProcess } from '../../../sandbox/process/managed-process.js';
import { HOST_ADDRESS } from './network.js';

const PORT = 10_251;
const NAME = 'metrics-server';

export interface MetricsServerOptions {
  program: string;
  kubeconfig: string;
  stateDir: string;
  ledger: Ledger;
  kubectl: Kubectl;
}

export async function startMetricsServer(options: MetricsServerOptions): Promise<ManagedProcess> {
  const { program, kubeconfig, stateDir, ledger, kubectl } = options;
  const args = [
    `--kubeconfig=${kubeconfig}`,
    `--authentication-kubeconfig=${kubeconfig}`,
    `--authorization-kubeconfig=${kubeconfig}`,
    `--bind-address=${HOST_ADDRESS}`,
    `--secure-port=${PORT}`,
    `--cert-dir=${join(stateDir, 'pki', NAME)}`,
    '--kubelet-insecure-tls',
    '--kubelet-preferred-address-types=InternalIP',
    '--metric-resolution=10s',
    '--kubelet-request-timeout=5s',
  ];
  const logFile = join(stateDir, 'logs', `${NAME}.log`);
  const env = { PATH: process.env.PATH };
  const server = new ManagedProcess({ name: NAME, command: program, args, env, logFile }, ledger);
  await kubectl.apply(registration());
  server.start();
  return server;
}

function registration(): object[] {
  const metadata = { name: NAME, namespace: 'kube-system' };
  const slice = {
    ...{ apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', addressType: 'IPv4' },
    metadata: { ...metadata, labels: { 'kubernetes.io/service-name': NAME } },
    endpoints: [{ addresses: [HOST_ADDRESS] }],
    ports: [{ name: 'https', port: PORT, protocol: 'TCP' }],
  };
  const service = {
    ...{ apiVersion: 'v1', kind: 'Service', metadata },
    spec: { ports: [{ name: 'https', port: 443, targetPort: PORT }] },
  };
  const apiService = {
    ...{ apiVersion: 'apiregistration.k8s.io/v1', kind: 'APIService' },
    metadata: { name: 'v1beta1.metrics.k8s.io' },
    spec: {
      ...{ group: 'metrics.k8s.io', version: 'v1beta1', groupPriorityMinimum: 100, versionPriority: 100 },
      ...{ insecureSkipTLSVerify: true, service: { ...metadata } },
    },
  };
  return [service, slice, apiService];
}
