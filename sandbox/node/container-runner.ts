/** Runs a container as a local process, and restarts it according to its restart policy. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Ledger } from '../process/ledger.js';
import { type Exit, ManagedProcess } from '../process/managed-process.js';
import { act } from './actions.js';
import { type Image, loadImage } from './image.js';
import { type Launch, launchOf, logFileOf } from './launch.js';
import { probe } from './prober.js';
import { MissingReference, type ReferenceSource } from './references.js';
import { exitCodeOf, terminationMessage } from './termination-message.js';
import { now } from './time.js';
import type { Container, ContainerState, Pod, Terminated } from './types.js';

export interface RunnerContext {
  references: ReferenceSource;
  ledger: Ledger;
  imagesDir: string;
  /** First delay after a crash, doubled up to `crashLoopMaxMs`. Defaults of the kubelet: 10 s and 5 min. */
  crashLoopBaseMs: number;
  crashLoopMaxMs: number;
  podIp: string;
  podFolder: string;
  /** Local port of each container port. */
  ports: ReadonlyMap<number, number>;
  onChange: () => void;
}

/** Retry interval for a missing Secret, ConfigMap or image. */
const CONFIG_RETRY_MS = 500;
/** Like the kubelet, it resets the backoff after this run time. */
const CRASHES_FORGOTTEN_MS = 600_000;

export class ContainerRunner {
  state: ContainerState = { waiting: { reason: 'ContainerCreating' } };
  lastState: ContainerState = {};
  restartCount = 0;
  ready = false;
  started = false;
  private process: ManagedProcess | undefined;
  private launch: Launch | undefined;
  /** Commands of exec that run. */
  private readonly commands = new Set<ChildProcess>();
  private readonly stopping = new AbortController();
  private readonly terminationLog: string;

  constructor(
    private readonly pod: Pod,
    readonly container: Container,
    private readonly context: RunnerContext,
    /** Init containers run to completion once: only failures are retried. */
    private readonly once = false,
  ) {
    const folder = join(context.podFolder, container.name);
    this.terminationLog = join(folder, 'termination-log');
    mkdirSync(folder, { recursive: true });
  }

  /** Resolves when the container has terminated permanently. */
  async run(): Promise<void> {
    for (let crashes = 0; !this.stopping.signal.aborted; ) {
      if (!(await this.startOnceReady())) return;
      const ranFrom = performance.now();
      const terminated = this.terminated(await this.process!.exited);
      this.killCommands();
      this.ready = false;
      this.started = false;
      this.set({ terminated });
      if (!this.isToRunAgain(terminated) || this.stopping.signal.aborted) return;
      crashes = performance.now() - ranFrom > CRASHES_FORGOTTEN_MS ? 1 : crashes + 1;
      this.lastState = { terminated };
      await this.backOff(crashes);
      if (!this.stopping.signal.aborted) this.restartCount += 1;
    }
  }

  /** Runs the preStop hook, sends SIGTERM, and SIGKILL after the grace period. */
  async stop(graceMs: number): Promise<void> {
    if (this.stopping.signal.aborted) return void (await this.process?.exited);
    this.stopping.abort();
    const deadline = performance.now() + graceMs;
    await this.preStop(graceMs);
    // The kubelet adds two seconds if the hook used the whole grace period.
    const left = Math.max(graceMs === 0 ? 0 : 2_000, deadline - performance.now());
    await this.process?.stop(left);
  }

  signal(signal: NodeJS.Signals): void {
    this.process?.signal(signal);
  }

  /** Starts another process of the container; undefined if it does not run. */
  exec(words: readonly string[]): ChildProcess | undefined {
    if (!this.launch || !this.process?.running) return undefined;
    const { env, cwd } = this.launch;
    const [command = '', ...args] = this.launch.localCommand(words);
    const child = spawn(command, args, { env, cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    this.commands.add(child);
    child.once('close', () => this.commands.delete(child));
    return child;
  }

  /** They do not outlive the container. */
  private killCommands(): void {
    for (const child of this.commands) child.kill('SIGKILL');
  }

  kill(): void {
    this.stopping.abort();
    this.process?.signal('SIGKILL');
    this.killCommands();
  }

  private isToRunAgain({ exitCode }: Terminated): boolean {
    const { restartPolicy = 'Always' } = this.pod.spec;
    if (restartPolicy === 'Never') return false;
    return exitCode !== 0 || (restartPolicy === 'Always' && !this.once);
  }

  /** The first restart is immediate, the second after the base delay, as in the kubelet. */
  private async backOff(crashes: number): Promise<void> {
    if (crashes === 1) return;
    const { crashLoopBaseMs, crashLoopMaxMs } = this.context;
    const delayMs = Math.min(crashLoopMaxMs, crashLoopBaseMs * 2 ** (crashes - 2));
    const { name } = this.container;
    const message = `back-off ${delayMs / 1000}s restarting failed container=${name} pod=${this.pod.metadata.name}`;
    this.set({ waiting: { reason: 'CrashLoopBackOff', message } });
    await sleep(delayMs, undefined, { signal: this.stopping.signal }).catch(() => {});
  }

  private async preStop(graceMs: number): Promise<void> {
    const hook = this.container.lifecycle?.preStop;
    if (!hook || !this.process?.running || !this.launch) return;
    const { exited } = this.process;
    const work = hook.sleep
      ? sleep(Math.min(hook.sleep.seconds * 1000, graceMs), undefined, { ref: false })
      : act(this.launch, hook, graceMs);
    // A failed hook does not delay the termination, and no hook runs after the process has exited.
    await Promise.race([work.catch(() => {}), exited]);
  }

  /**
   * Starts the process when its image, Secrets and ConfigMaps exist. Returns false if the pod is stopped
   * before.
   */
  private async startOnceReady(): Promise<boolean> {
    for (let tries = 0; !this.stopping.signal.aborted; tries++) {
      try {
        await this.start(this.image());
        return true;
      } catch (error) {
        const reason = reasonFor(error, tries);
        if (reason) this.set({ waiting: { reason, message: (error as Error).message } });
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
    const { terminationLog } = this;
    const launch = await launchOf(this.pod, this.container, image, { ...this.context, terminationLog });
    writeFileSync(terminationLog, '');
    if (this.stopping.signal.aborted) throw new Error('the pod is being deleted');
    const { command, args, env, cwd } = launch;
    const logFile = this.logFile();
    this.launch = launch;
    this.process = new ManagedProcess(
      { name: this.container.name, command, args, env, cwd, logFile },
      this.context.ledger,
    );
    this.process.start();
    this.set({ running: { startedAt: now() } });
    if (!this.once) void this.watchProbes(this.process, launch);
  }

  private async watchProbes(running: ManagedProcess, launch: Launch): Promise<void> {
    const ended = new AbortController();
    void running.exited.then(() => ended.abort());
    const signal = AbortSignal.any([ended.signal, this.stopping.signal]);
    await probe(
      { ...launch, container: this.container },
      {
        started: () => {
          if (signal.aborted) return;
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

  private terminated(exit: Exit): Terminated {
    const exitCode = exitCodeOf(exit);
    const { terminationLog, container } = this;
    const fallBackToLog = container.terminationMessagePolicy === 'FallbackToLogsOnError' && exitCode !== 0;
    const message = terminationMessage({ terminationLog, log: this.logFile(), fallBackToLog });
    return {
      exitCode,
      reason: exitCode === 0 ? 'Completed' : 'Error',
      ...(message ? { message } : {}),
      startedAt: this.state.running?.startedAt ?? now(),
      finishedAt: now(),
    };
  }

  private logFile(): string {
    return logFileOf(this.context.podFolder, this.container.name, this.restartCount);
  }

  private set(state: ContainerState): void {
    this.state = state;
    this.context.onChange();
  }
}

class ImageError extends Error {}

/**
 * Reason as reported by the kubelet; undefined if the API server was unreachable, which is not an error of
 * the pod.
 */
function reasonFor(error: unknown, tries: number): string | undefined {
  if (error instanceof ImageError) return tries === 0 ? 'ErrImagePull' : 'ImagePullBackOff';
  return error instanceof MissingReference ? 'CreateContainerConfigError' : undefined;
}
