/** A Docker daemon with its own folder and socket, and the client with the Compose plugin. */
import { type ExecFileException, execFile, execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Ledger } from '../../../sandbox/process/ledger.js';
import { ManagedProcess, untilReady } from '../../../sandbox/process/managed-process.js';
import { createCgroup } from '../cluster/cgroups.js';
import { DOCKER_STATE_DIR, RUN_DIR, readDockerParts, removeDockerFiles } from './parts.js';
import type { DockerPrograms } from './programs.js';

export interface RunOptions {
  cwd?: string;
  env?: Record<string, string>;
}

/** Limit of one script. */
const LIMIT_MS = 400_000;

export class Docker {
  private constructor(
    /** Folder for the scenarios' files. */
    readonly folder: string,
    /** Client for Docker Swarm, if there is one. */
    readonly swarmClient: string | undefined,
    private readonly daemon: ManagedProcess,
    private readonly env: NodeJS.ProcessEnv,
  ) {}

  /** Starts the daemon and loads the images. The caller is in namespaces of its own. */
  static async start(): Promise<Docker> {
    const { programs, archives } = readDockerParts();
    removeDockerFiles();
    const folder = resolve(RUN_DIR);
    const host = `unix://${join(folder, 'docker.sock')}`;
    const env = clientEnvironment(folder, programs, host);
    prepareNamespaces();
    const ledger = new Ledger(resolve(DOCKER_STATE_DIR, 'processes'));
    ledger.claim();
    const args = [
      ...[`--host=${host}`, `--data-root=${join(folder, 'data')}`, `--exec-root=${join(folder, 'exec')}`],
      ...[`--pidfile=${join(folder, 'dockerd.pid')}`, `--cgroup-parent=${createCgroup('docker')}`],
    ];
    const logFile = resolve(DOCKER_STATE_DIR, 'dockerd.log');
    const spec = { name: 'dockerd', command: programs.dockerd, args, env, logFile };
    const daemon = new ManagedProcess(spec, ledger);
    daemon.start();
    const docker = new Docker(folder, programs.swarmClient, daemon, env);
    await untilReady('dockerd', daemon, () => docker.sh('docker version').then(() => true));
    for (const archive of archives) await docker.sh(`docker load --quiet --input ${resolve(archive)}`);
    return docker;
  }

  /** Environment in which `docker` is the client for Docker Swarm. */
  swarmEnvironment(client: string): Record<string, string> {
    const bin = join(this.folder, 'swarm-bin');
    mkdirSync(bin);
    symlinkSync(client, join(bin, 'docker'));
    return { PATH: `${bin}:${this.env.PATH}` };
  }

  /** Runs a shell script. Returns its standard output; throws the end of its output if it fails. */
  async sh(script: string, { cwd, env = {} }: RunOptions = {}): Promise<string> {
    const options = { cwd, env: { ...this.env, ...env }, timeout: LIMIT_MS, maxBuffer: 64 << 20 };
    return await new Promise((done, failed) => {
      const end = (error: ExecFileException | null, stdout: string, stderr: string) => {
        if (!error) return done(stdout);
        const output = `${stdout}\n${stderr}`.trim().slice(-3_000);
        failed(new Error(`${script}\nexit code ${error.code}: ${output}`));
      };
      execFile('/bin/sh', ['-euc', script], options, end);
    });
  }

  /** Removes all containers and volumes, and stops the daemon. Its files are deleted when its mounts are removed. */
  async remove(): Promise<void> {
    await this.sh('docker ps --all --quiet | xargs -r docker rm --force --volumes').catch(() => {});
    await this.daemon.stop(30_000);
  }
}

/** Puts `docker` and its Compose plugin first, before programs of other versions. */
function clientEnvironment(
  folder: string,
  { docker, compose }: DockerPrograms,
  host: string,
): NodeJS.ProcessEnv {
  const bin = join(folder, 'bin');
  const config = join(folder, 'config');
  for (const path of [bin, join(config, 'cli-plugins')]) mkdirSync(path, { recursive: true });
  symlinkSync(docker, join(bin, 'docker'));
  symlinkSync(compose, join(config, 'cli-plugins', 'docker-compose'));
  return { PATH: `${bin}:${process.env.PATH}`, HOME: folder, DOCKER_CONFIG: config, DOCKER_HOST: host };
}

function prepareNamespaces(): void {
  execFileSync('ip', ['link', 'set', 'lo', 'up']);
  // The daemon also creates files in /run/docker, which would outlive these namespaces.
  execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', '/run']);
}
