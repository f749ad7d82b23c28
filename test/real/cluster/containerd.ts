/** containerd of one node, from Debian's packages. */
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Ledger } from '../../../sandbox/process/ledger.js';
import { ManagedProcess, untilReady } from '../../../sandbox/process/managed-process.js';
import { CNI_PLUGINS } from '../parts/programs.js';
import { writeRegistryConfig } from './registry.js';

export interface ContainerdOptions {
  /** Folder of the node. */
  folder: string;
  /** Configuration of the CNI plugins. */
  cni: string;
  pauseImage: string;
  logFile: string;
  ledger: Ledger;
}

export class Containerd {
  readonly socket: string;
  readonly process: ManagedProcess;

  constructor(options: ContainerdOptions) {
    const { folder, logFile, ledger } = options;
    this.socket = join(folder, 'containerd.sock');
    mkdirSync(folder, { recursive: true });
    const registries = join(folder, 'registries');
    writeRegistryConfig(registries);
    const config = join(folder, 'containerd.toml');
    writeFileSync(config, this.config(options, registries));
    const env = { PATH: process.env.PATH };
    this.process = new ManagedProcess(
      { name: 'containerd', command: 'containerd', args: ['--config', config], env, logFile },
      ledger,
    );
  }

  async start(): Promise<void> {
    this.process.start();
    await untilReady('containerd', this.process, async () => {
      await this.ctr('version');
      return true;
    });
  }

  /** Loads an image archive, for the kubelet. */
  async load(archive: string): Promise<void> {
    await this.ctr('-n', 'k8s.io', 'images', 'import', '--snapshotter', 'overlayfs', archive);
  }

  private ctr(...args: string[]) {
    return promisify(execFile)('ctr', ['--address', this.socket, ...args]);
  }

  private config({ folder, cni, pauseImage }: ContainerdOptions, registries: string): string {
    const cri = 'plugins."io.containerd.grpc.v1.cri"';
    return `version = 2
root = "${join(folder, 'containerd')}"
state = "${join(folder, 'run')}"
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.btrfs"]
[grpc]
  address = "${this.socket}"
[${cri}]
  sandbox_image = "${pauseImage}"
  # The process may not lower the score that it inherits.
  restrict_oom_score_adj = true
[${cri}.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[${cri}.containerd.runtimes.runc.options]
  SystemdCgroup = false
[${cri}.cni]
  bin_dir = "${CNI_PLUGINS}"
  conf_dir = "${join(cni, 'net.d')}"
[${cri}.registry]
  config_path = "${registries}"
`;
  }
}
