/** Runs one container as a local process, again and again as its restart policy says. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { KubeClient } from '../../operator/runtime/kube-client.js';
import type { Ledger } from '../process/ledger.js';
import { type Exit, ManagedProcess } from '../process/managed-process.js';
import { environment, mountVolumes, References, translate } from './environment.js';
import { entrypointOf, type Image, loadImage } from './image.js';
import { probe } from './prober.js';
import type { Container, ContainerState, Pod, Terminated } from './types.js';

export interface RunnerContext {
  client: KubeClient;
  ledger: Ledger;
  imagesDir: string;
  /** First delay after a crash, doubling up to `crashLoopMaxMs`. The kubelet's are 10 s and 5 min. */
  crashLoopBaseMs: number;
  crashLoopMaxMs: number;
  podIp: string;
  podFolder: string;
  /** Local port of each container port. */
  ports: ReadonlyMap<number, number>;
  onChange: () => void;
}

/** How long until a missing Secret, ConfigMap or image is looked for again. */
const CONFIG_RETRY_MS = 500;
const MAX_MESSAGE = 4_096;
const FALLBACK_LOG = 2_048;

export class ContainerRunner {
  state: ContainerState = { waiting: { reason: 'ContainerCreating' } };
  lastState: ContainerState = {};
  restartCount = 0;
  ready = false;
  started = false;
  private process: ManagedProcess | undefined;
  private readonly stopping = new AbortController();
  private readonly folder: string;
  private readonly terminationLog: string;

  constructor(
    private readonly pod: Pod,
    readonly container: Container,
    private readonly context: RunnerContext,
  ) {
    this.folder = join(context.podFolder, container.name);
    this.terminationLog = join(this.folder, 'termination-log');
    mkdirSync(this.folder, { recursive: true });
  }

  /** Resolves when the container has ended for good. */
  async run(): Promise<void> {
    const { restartPolicy = 'Always' } = this.pod.spec;
    for (let crashes = 0; !this.stopping.signal.aborted; ) {
      if (!(await this.prepareAndStart())) return;
      const ranFrom = performance.now();
      const exit = await this.process!.exited;
      const terminated = this.terminated(exit);
      this.ready = false;
      this.started = false;
      this.set({ terminated });
      const again =
        restartPolicy === 'Always' || (restartPolicy === 'OnFailure' && terminated.exitCode !== 0);
      if (!again || this.stopping.signal.aborted) return;
      // The kubelet forgets crashes after ten minutes of good running.
      crashes = performance.now() - ranFrom > 600_000 ? 1 : crashes + 1;
      await this.backOff(crashes, terminated);
      this.restartCount += 1;
    }
  }

  /** SIGTERM, and SIGKILL after the grace period. */
  async stop(graceMs: number): Promise<void> {
    this.stopping.abort();
    const pause = (this.container.lifecycle?.preStop?.sleep?.seconds ?? 0) * 1000;
    if (this.process?.running && pause > 0) await sleep(Math.min(pause, graceMs));
    await this.process?.stop(Math.max(0, graceMs - pause));
  }

  kill(): void {
    this.stopping.abort();
    this.process?.signal('SIGKILL');
  }

  private async backOff(crashes: number, terminated: Terminated): Promise<void> {
    const { crashLoopBaseMs, crashLoopMaxMs } = this.context;
    const delayMs = Math.min(crashLoopMaxMs, crashLoopBaseMs * 2 ** (crashes - 1));
    this.lastState = { terminated };
    this.set({
      waiting: {
        reason: 'CrashLoopBackOff',
        message: `back-off ${delayMs / 1000}s restarting failed container`,
      },
    });
    await sleep(delayMs, undefined, { signal: this.stopping.signal }).catch(() => {});
  }

  /** Starts the process once its image, Secrets and ConfigMaps are there. False when the pod is stopped first. */
  private async prepareAndStart(): Promise<boolean> {
    while (!this.stopping.signal.aborted) {
      try {
        const image = this.image();
        await this.start(image);
        return true;
      } catch (error) {
        const reason = error instanceof ImageError ? 'ImagePullBackOff' : 'CreateContainerConfigError';
        this.set({ waiting: { reason, message: (error as Error).message } });
        await sleep(CONFIG_RETRY_MS, undefined, { signal: this.stopping.signal }).catch(() => {});
      }
    }
    return false;
  }

  private image(): Image {
    try {
      return loadImage(this.context.imagesDir, this.container.image);
    } catch (error) {
      throw new ImageError((error as Error).message);
    }
  }

  private async start(image: Image): Promise<void> {
    const { client, ledger, podIp, podFolder, ports } = this.context;
    const references = new References(client, this.pod.metadata.namespace ?? 'default');
    const mounts = await mountVolumes(this.pod, this.container, podFolder, references);
    const messagePath = this.container.terminationMessagePath ?? '/dev/termination-log';
    const paths = new Map([...mounts, [messagePath, this.terminationLog]]);
    const declared = await environment(this.pod, this.container, references, podIp);
    const translated = Object.entries(declared).map(
      ([name, value]) => [name, translate(value, paths)] as const,
    );
    const local = Object.entries(image.portEnv).flatMap(([port, name]) => {
      const localPort = ports.get(Number(port));
      return localPort ? [[name, String(localPort)] as const] : [];
    });
    const env = {
      PATH: process.env.PATH,
      HOME: podFolder,
      ...image.env,
      ...Object.fromEntries([...translated, ...local]),
    };
    const [command, ...args] = [
      ...(this.container.command ?? entrypointOf(image)),
      ...(this.container.args ?? []).map((arg) => translate(arg, paths)),
    ];
    writeFileSync(this.terminationLog, '');
    if (this.stopping.signal.aborted) throw new Error('the pod is being deleted');
    const spec = {
      name: this.container.name,
      command: command!,
      args,
      env,
      cwd: image.root,
      logFile: this.logFile(),
    };
    this.process = new ManagedProcess(spec, ledger);
    this.process.start();
    this.set({ running: { startedAt: now() } });
    void this.watchProbes(this.process, env);
  }

  private async watchProbes(running: ManagedProcess, env: NodeJS.ProcessEnv): Promise<void> {
    const ended = new AbortController();
    void running.exited.then(() => ended.abort());
    const signal = AbortSignal.any([ended.signal, this.stopping.signal]);
    const localPort = (port: number | string) => {
      const number =
        typeof port === 'number'
          ? port
          : this.container.ports?.find(({ name }) => name === port)?.containerPort;
      return number === undefined ? undefined : this.context.ports.get(number);
    };
    await probe(
      { container: this.container, localPort, env },
      {
        started: () => {
          this.started = true;
          this.context.onChange();
        },
        ready: (ready) => {
          if (this.ready === ready || signal.aborted) return;
          this.ready = ready;
          this.context.onChange();
        },
        unhealthy: () => void running.stop((this.pod.spec.terminationGracePeriodSeconds ?? 30) * 1000),
      },
      signal,
    );
  }

  private terminated({ code, signal }: Exit): Terminated {
    const exitCode = code ?? 128 + (signal === 'SIGKILL' ? 9 : 15);
    const message = this.lastWords(exitCode);
    const startedAt = this.state.running?.startedAt ?? now();
    return {
      exitCode,
      reason: exitCode === 0 ? 'Completed' : 'Error',
      ...(message ? { message } : {}),
      startedAt,
      finishedAt: now(),
    };
  }

  private lastWords(exitCode: number): string {
    const left = read(this.terminationLog).slice(0, MAX_MESSAGE);
    const mayFallBack = this.container.terminationMessagePolicy === 'FallbackToLogsOnError' && exitCode !== 0;
    return left || (mayFallBack ? read(this.logFile()).slice(-FALLBACK_LOG) : '');
  }

  private logFile(): string {
    return join(this.folder, `${this.restartCount}.log`);
  }

  private set(state: ContainerState): void {
    this.state = state;
    this.context.onChange();
  }
}

class ImageError extends Error {}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** metav1.Time has no fractions of a second. */
function now(): string {
  return `${new Date().toISOString().slice(0, 19)}Z`;
}
