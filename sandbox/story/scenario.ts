/** Base class of scenarios: a PcfApi under constant load, chapters, and expectations. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { parse } from 'yaml';
import type { Sandbox } from '../sandbox.js';
import { sandboxToken } from '../tokens.js';
import { count, FOR_SHARES, faultCount, Load, type LoadOptions, type Sample, shares } from './load.js';
import { PcfApiKind, PcfApiWatch } from './pcfapi-watch.js';
import { weightOf } from './route-timing.js';

export const NAMESPACE = 'platform';
export const NAME = 'pcf-api';
export const HOST = 'api.example.com';
const ROUTE_TIMEOUT_MS = 60_000;

export const imageOf = (version: string) => `registry.example.com/pcf-api:${version}`;
export const LIST = 'query Services { services(first: 5) { edges { node { id name } } totalCount } }';

export abstract class Scenario {
  protected readonly watch: PcfApiWatch;
  protected readonly load: Load;
  protected readonly problems: string[] = [];
  /** Duration of each sample of responses. */
  sampleMs = 4_000;
  private readonly startedAt = performance.now();

  constructor(
    protected readonly sandbox: Sandbox,
    private readonly print: (line: string) => void,
    { query = LIST, faulty }: Partial<Pick<LoadOptions, 'query' | 'faulty'>> = {},
  ) {
    this.watch = new PcfApiWatch(sandbox.parts.client, pino({ level: 'silent' }), NAMESPACE, NAME);
    this.load = new Load({
      port: sandbox.gatewayPort,
      host: HOST,
      caPath: sandbox.gateway.caPath,
      query,
      faulty,
      token: (client) => sandboxToken(client, 'OPERATOR'),
    });
  }

  /** Steps after the sample is applied and Ready. */
  protected abstract chapters(): Promise<void>;

  /** Fields in addition to those of the sample. */
  protected sampleSpec(): object {
    return {};
  }

  /** Runs the scenario. Resolves with the problems; empty on success. */
  async run(): Promise<string[]> {
    await this.watch.start();
    try {
      await this.apply();
      await this.chapters();
    } catch (error) {
      this.problems.push((error as Error).message);
    } finally {
      await this.load.stop();
    }
    if (this.problems.length === 0)
      await this.remove().catch((error: Error) => this.problems.push(error.message));
    await this.watch.stop();
    this.printSummary();
    return this.problems;
  }

  private async apply(): Promise<void> {
    this.chapter('apply deploy/samples/pcfapi.yaml');
    const startedAt = performance.now();
    const sample = parse(readFileSync('deploy/samples/pcfapi.yaml', 'utf8')) as { spec: object };
    await this.sandbox.parts.kubectl.apply([{ ...sample, spec: { ...sample.spec, ...this.sampleSpec() } }]);
    await this.watch.until('Ready', (api) => api?.status?.phase === 'Ready');
    this.printDuration('Ready: migrations, 3 pods, route', performance.now() - startedAt);
  }

  /** Edits the weight and prints the time until the route changed, and until the weight was in effect. */
  protected async shift(weight: number): Promise<void> {
    const { routing } = this.sandbox;
    const { updateRevision = '', traffic } = this.watch.now()?.status ?? {};
    const before = traffic?.effectiveWeight;
    let changedMs: number | undefined;
    const editedAt = performance.now();
    const arrived = new Promise<void>((resolve) => {
      const unsubscribe = routing.onRoute((object) => {
        if (object.kind !== 'VirtualService') return;
        const now = weightOf(object, updateRevision);
        if (now !== before) changedMs ??= performance.now() - editedAt;
        if (now !== weight) return;
        unsubscribe();
        resolve();
      });
    });
    await this.patch({ canaryWeight: weight });
    const late = sleep(ROUTE_TIMEOUT_MS, undefined, { ref: false }).then(() => {
      throw new Error(
        `weight ${weight} of ${updateRevision} did not take effect within ${ROUTE_TIMEOUT_MS / 1000} s`,
      );
    });
    await Promise.race([arrived, late]);
    this.line(
      `edit -> route changed ${changedMs?.toFixed(0)} ms; -> ${weight} % in effect ${(performance.now() - editedAt).toFixed(0)} ms`,
    );
  }

  private async remove(): Promise<void> {
    this.chapter('delete');
    const startedAt = performance.now();
    await this.sandbox.parts.kubectl.run(['delete', 'pcfapi', NAME, '-n', NAMESPACE, '--timeout=60s']);
    const selector = `app.kubernetes.io/instance=${NAME}`;
    const kinds =
      'deployments,services,virtualservices,destinationrules,jobs,configmaps,controllerrevisions,pods';
    for (;;) {
      const left = await this.sandbox.parts.kubectl.run([
        'get',
        kinds,
        '-n',
        NAMESPACE,
        '-l',
        selector,
        '-o',
        'name',
      ]);
      if (left.trim() === '') break;
      if (performance.now() - startedAt > 60_000)
        throw new Error(`remaining after the deletion: ${left.trim().replaceAll('\n', ', ')}`);
      await sleep(250);
    }
    this.printDuration('everything is deleted', performance.now() - startedAt);
  }

  /** Samples the responses and compares the shares with the expected ones. */
  protected async measure(when: string, expected: Record<string, number>): Promise<void> {
    const sample = await this.load.sample(this.sampleMs, FOR_SHARES);
    this.line(`served: ${shares(sample)} of ${count(sample)} requests, ${sample.failures.length} failed`);
    for (const [version, share] of Object.entries(expected)) {
      const measured = (100 * (sample.served[version] ?? 0)) / Math.max(1, count(sample));
      this.expect(
        Math.abs(measured - share) <= 2,
        `${when}: ${version} served ${measured.toFixed(1)} %, not ${share} %`,
      );
    }
  }

  protected async patch(spec: object): Promise<void> {
    await this.sandbox.parts.client.patch(PcfApiKind, NAMESPACE, NAME, { spec }, { fieldManager: 'story' });
  }

  /** Runs `kubectl pcf`. Returns its output. */
  protected pcf(...args: string[]): Promise<string> {
    return this.sandbox.kubectlPcf([...args, '-n', NAMESPACE]);
  }

  private printSummary(): void {
    const { total } = this.load;
    const failed = (sample: Sample) => `${count(sample)} requests served, ${sample.failures.length} failed`;
    this.chapter(
      `finished after ${((performance.now() - this.startedAt) / 1000).toFixed(1)} s: ${failed(total)}`,
    );
    const faults = faultCount(total);
    if (faults > 0) this.line(`counted separately: ${faults} intended errors of faulty versions`);
    if (total.failures.length > 0)
      this.problems.push(`${total.failures.length} requests failed, the first: ${total.failures[0]}`);
    for (const problem of this.problems) this.line(`✘ ${problem}`);
  }

  protected expect(holds: boolean, problem: string): void {
    if (!holds) this.problems.push(problem);
  }

  protected chapter(title: string): void {
    this.print(`\n▸ ${title}`);
  }

  protected printDuration(what: string, ms: number): void {
    this.line(`${what} after ${(ms / 1000).toFixed(1)} s`);
  }

  protected line(text: string): void {
    this.print(`    ${text}`);
  }
}
