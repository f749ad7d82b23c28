/** A node: containerd and the kubelet. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { Ledger } from '../../../sandbox/process/ledger.js';
import { ManagedProcess } from '../../../sandbox/process/managed-process.js';
import { createCgroup } from './cgroups.js';
import { Containerd } from './containerd.js';
import { nodeAddress } from './network.js';

export interface NodeOptions {
  index: number;
  stateDir: string;
  cni: string;
  kubelet: string;
  kubeconfig: string;
  /** Certificate that signs the client certificate of the API server. */
  clientCa: string;
  pauseImage: string;
  ledger: Ledger;
}

export class Node {
  readonly name: string;
  readonly containerd: Containerd;
  readonly kubelet: ManagedProcess;

  constructor(options: NodeOptions) {
    const { index, stateDir, cni, kubelet, kubeconfig, pauseImage, ledger } = options;
    this.name = `node-${index + 1}`;
    const folder = join(stateDir, this.name);
    const logs = join(stateDir, 'logs');
    const logFile = (program: string) => join(logs, `${program}-${index + 1}.log`);
    this.containerd = new Containerd({ folder, cni, pauseImage, logFile: logFile('containerd'), ledger });
    const config = join(folder, 'kubelet.yaml');
    mkdirSync(join(folder, 'plugins'), { recursive: true });
    writeFileSync(config, stringify(this.config(options, folder)), { mode: 0o600 });
    const args = [
      `--config=${config}`,
      `--kubeconfig=${kubeconfig}`,
      `--hostname-override=${this.name}`,
      `--node-ip=${nodeAddress(index)}`,
      `--root-dir=${join(folder, 'kubelet')}`,
      `--cert-dir=${join(folder, 'pki')}`,
      `--node-labels=topology.kubernetes.io/zone=zone-${index + 1}`,
    ];
    this.kubelet = new ManagedProcess(
      {
        name: 'kubelet',
        command: kubelet,
        args,
        env: { PATH: process.env.PATH },
        logFile: logFile('kubelet'),
      },
      ledger,
    );
  }

  async start(): Promise<void> {
    await this.containerd.start();
    this.kubelet.start();
  }

  private config({ index, clientCa }: NodeOptions, folder: string): object {
    return {
      apiVersion: 'kubelet.config.k8s.io/v1beta1',
      kind: 'KubeletConfiguration',
      address: nodeAddress(index),
      port: 10_250,
      healthzPort: 0,
      authentication: {
        anonymous: { enabled: false },
        webhook: { enabled: true },
        x509: { clientCAFile: clientCa },
      },
      authorization: { mode: 'Webhook' },
      containerRuntimeEndpoint: `unix://${this.containerd.socket}`,
      cgroupDriver: 'cgroupfs',
      cgroupRoot: createCgroup(this.name),
      failCgroupV1: false,
      failSwapOn: false,
      podLogsDir: join(folder, 'pod-logs'),
      volumePluginDir: join(folder, 'plugins'),
      // There is no DNS server: clients of the tests use addresses.
      resolvConf: '',
      serializeImagePulls: false,
      nodeStatusUpdateFrequency: '5s',
      imageGCHighThresholdPercent: 100,
      evictionHard: { 'memory.available': '100Mi', 'nodefs.available': '1%', 'imagefs.available': '1%' },
    };
  }
}
