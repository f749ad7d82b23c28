/** Runs of the operator on a loaded cluster: duration of the start, writes, memory, and CPU time. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SecretKind } from '../../../operator/resources/kinds.js';
import { OperatorProcess } from '../../../sandbox/operator-process.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import type { Row } from '../history.js';
import { memoryOf } from '../memory/process-memory.js';
import { type BenchCluster, NAMESPACE } from '../operator/cluster.js';

const LIMIT_MS = 900_000;
/** The metrics of thousands of PcfApis are megabytes, so that reading them delays reconciles. */
const POLL_MS = 500;
const RECONCILES = /^controller_runtime_reconcile_total\{/;
/** Without PUT, which renews the Lease. */
const CHANGES = /^rest_client_requests_total\{method="(PATCH|POST|DELETE)"/;
const QUEUED = /^workqueue_depth\{/;
const CPU = /^process_cpu_seconds_total/;

export class OperatorRun {
  private stopProxy = () => {};

  constructor(
    private readonly cluster: BenchCluster,
    private readonly objects: number,
    private readonly args: string[],
    private readonly nodeArgs: string[],
  ) {}

  /** Starts the operator, and waits until it has reconciled every PcfApi. */
  async start(more: string[] = [], server?: string): Promise<Row[]> {
    const { cluster, objects } = this;
    const { sandbox } = cluster;
    const startedAt = performance.now();
    const options = { cluster: sandbox.parts.cluster, stateDir: sandbox.stateDir, ledger: sandbox.ledger };
    const { nodeArgs } = this;
    // As in the other benchmarks. The first Lease would count as a write.
    const args = ['--no-leader-election', ...this.args, ...more];
    sandbox.operator = await OperatorProcess.start({
      ...options,
      args,
      nodeArgs,
      ...(server ? { server } : {}),
    });
    await this.idle(objects);
    const seconds = (performance.now() - startedAt) / 1000;
    const cpu = await cluster.metric(CPU);
    await sleep(2_000); // unnecessary writes would happen now
    return [
      { name: 'start to every PcfApi reconciled', value: seconds, unit: 's', goal: '<= 30' },
      { name: 'CPU time of the start', value: cpu, unit: 's' },
      {
        name: 'writes after the start',
        value: await cluster.metric(CHANGES),
        unit: 'requests',
        goal: '<= 0',
      },
      { name: 'peak RSS of the start', value: this.peak(), unit: 'MiB', goal: '<= 1024' },
      { name: 'RSS after the start', value: await cluster.megabytes(), unit: 'MiB' },
    ];
  }

  /** A change of the Secret that all PcfApis read reconciles all of them at once. */
  async reconcileAll(): Promise<Row[]> {
    const { cluster, objects } = this;
    const [before, cpuBefore] = [await cluster.metric(RECONCILES), await cluster.metric(CPU)];
    const startedAt = performance.now();
    const touched = { metadata: { annotations: { touched: new Date().toISOString() } } };
    await cluster.client.patch(SecretKind, NAMESPACE, 'pcf-api-secrets', touched);
    await this.idle(before + objects);
    const seconds = (performance.now() - startedAt) / 1000;
    const cpu = (await cluster.metric(CPU)) - cpuBefore;
    return [
      { name: 'reconciles per second', value: objects / seconds, unit: 'reconciles/s', goal: '>= 500' },
      { name: 'reconciles per second of CPU time', value: objects / cpu, unit: 'reconciles/s' },
    ];
  }

  async stop(): Promise<Row[]> {
    const peak = this.peak();
    await this.cluster.sandbox.operator.stop();
    this.stopProxy();
    return [{ name: 'peak RSS of the run', value: peak, unit: 'MiB', goal: '<= 1024' }];
  }

  /** Starts the operator behind a proxy. Returns a function that expires its watches of pods. */
  async startBehindProxy(): Promise<() => void> {
    const { parts, stateDir } = this.cluster.sandbox;
    const program = new URL('expiring-proxy.js', import.meta.url).pathname;
    const args = [program, parts.cluster.server, join(stateDir, 'pki')];
    const proxy = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.stopProxy = () => void proxy.kill();
    process.once('exit', this.stopProxy);
    const [port] = (await once(proxy.stdout, 'data')) as [Buffer];
    await this.start([], `https://127.0.0.1:${port.toString().trim()}`);
    return () => void proxy.kill('SIGUSR2');
  }

  private peak(): number {
    return memoryOf(this.cluster.sandbox.operator.pid ?? 0, 'VmHWM');
  }

  /** Waits until this many reconciles are finished, and no key is queued. */
  private async idle(reconciles: number): Promise<void> {
    const isIdle = async () =>
      (await this.cluster.metric(RECONCILES)) >= reconciles && (await this.cluster.metric(QUEUED)) === 0;
    await eventually('every PcfApi is reconciled', isIdle, LIMIT_MS, POLL_MS);
  }
}
