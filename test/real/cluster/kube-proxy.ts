/** kube-proxy. The nodes share one network namespace, so one serves them all. */
import { join } from 'node:path';
import type { Ledger } from '../../../sandbox/process/ledger.js';
import { ManagedProcess } from '../../../sandbox/process/managed-process.js';
import { CLUSTER_CIDR } from './network.js';

export interface KubeProxyOptions {
  program: string;
  kubeconfig: string;
  stateDir: string;
  ledger: Ledger;
}

export function startKubeProxy({ program, kubeconfig, stateDir, ledger }: KubeProxyOptions): ManagedProcess {
  const args = [
    `--kubeconfig=${kubeconfig}`,
    '--hostname-override=node-1',
    '--proxy-mode=iptables',
    `--cluster-cidr=${CLUSTER_CIDR}`,
    // The kernel's own limits stay.
    '--conntrack-max-per-core=0',
    '--conntrack-tcp-timeout-established=0s',
    '--conntrack-tcp-timeout-close-wait=0s',
    '--metrics-bind-address=127.0.0.1:10249',
  ];
  const spec = { name: 'kube-proxy', command: program, args, env: { PATH: process.env.PATH } };
  const proxy = new ManagedProcess({ ...spec, logFile: join(stateDir, 'logs', 'kube-proxy.log') }, ledger);
  proxy.start();
  return proxy;
}
