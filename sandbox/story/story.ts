/** The whole story in one go: from nothing to live traffic, through a delivery, a broken image, and back to nothing. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { pino } from 'pino';
import type { Sandbox } from '../sandbox.js';
import { count, Load, type Sample, shares } from './load.js';
import { PcfApiKind, PcfApiWatch } from './pcfapi-watch.js';
import { weightOf } from './route-timing.js';

const NAMESPACE = 'platform';
const NAME = 'pcf-api';
const HOST = 'api.example.com';
const SAMPLE_MS = 4_000;
const ROUTE_TIMEOUT_MS = 60_000;
const IMAGE = (version: string) => `registry.example.com/pcf-api:${version}`;
const LIST = 'query Services { services(first: 5) { edges { node { id name } } totalCount } }';
const CREATE = 'mutation Create($name: String!) { createService(input: { name: $name }) { id name } }';

export class Story {
  private readonly watch: PcfApiWatch;
  private readonly load: Load;
  private readonly problems: string[] = [];
  private readonly startedAt = performance.now();

  constructor(
    private readonly sandbox: Sandbox,
    private readonly say: (line: string) => void,
  ) {
    this.watch = new PcfApiWatch(sandbox.parts.client, pino({ level: 'silent' }), NAMESPACE, NAME);
    this.load = new Load({
      port: sandbox.gatewayPort,
      host: HOST,
      caPath: sandbox.gateway.caPath,
      query: LIST,
    });
  }

  /** Tells the story. Resolves with what went wrong; empty when it ended well. */
  async tell(): Promise<string[]> {
    await this.watch.start();
    try {
      await this.apply();
      await this.talkToIt();
      this.load.start();
      await this.deliver();
      await this.breakIt();
      await this.goBack();
    } catch (error) {
      this.problems.push((error as Error).message);
    } finally {
      await this.load.stop();
    }
    if (this.problems.length === 0)
      await this.remove().catch((error: Error) => this.problems.push(error.message));
    await this.watch.stop();
    this.sumUp();
    return this.problems;
  }

  private async apply(): Promise<void> {
    this.chapter('apply deploy/samples/pcfapi.yaml');
    const startedAt = performance.now();
    await this.sandbox.parts.kubectl.apply(readFileSync('deploy/samples/pcfapi.yaml', 'utf8'));
    await this.watch.until('Ready', (api) => api?.status?.phase === 'Ready');
    this.tellTime('Ready: migrations, 3 pods, route', performance.now() - startedAt);
  }

  private async talkToIt(): Promise<void> {
    this.chapter('a mutation and a query through the gateway, over HTTPS');
    const created = await this.load.graphql<{ createService: { name: string } }>(CREATE, {
      name: 'checkout',
    });
    const listed = await this.load.graphql<{ services: { totalCount: number } }>(LIST);
    this.line(
      `createService -> ${created.data.createService.name}; services.totalCount -> ${listed.data.services.totalCount}`,
    );
    this.expect(listed.data.services.totalCount === 1, 'the service that was created is not listed');
  }

  private async deliver(): Promise<void> {
    this.chapter('a new image whose migration adds a column, held at canaryWeight 0');
    const startedAt = performance.now();
    await this.patch({ image: IMAGE('1.1.0'), canaryWeight: 0 });
    await this.watch.until(
      'canary at 0',
      (api) => api?.status?.phase === 'Canary' && api.status.traffic?.verified === true,
    );
    this.tellTime('migrated and ready', performance.now() - startedAt);
    this.expect(
      await this.hasColumn('services', 'runbook_url'),
      'the migration of 1.1.0 did not add its column',
    );
    await this.measure('weight 0', { '1.1.0': 0 });
    const header = await this.load.graphql(LIST, {}, { 'x-canary': 'true' });
    this.line(`with the header x-canary: true, ${header.version} answers`);
    this.expect(header.version === '1.1.0', `the header route led to ${header.version}`);

    for (const weight of [10, 50, 100]) {
      this.chapter(`canaryWeight ${weight}`);
      await this.shift(weight);
      await this.measure(`weight ${weight}`, { '1.1.0': weight });
    }
    await this.watch.until(
      'promoted',
      (api) => api?.status?.phase === 'Ready' && api.status.stableImage === IMAGE('1.1.0'),
    );
    this.line('promoted: 1.1.0 is stable, no pod was restarted');
  }

  /** Edits the weight and tells how long the route took to change, and to be what was asked. */
  private async shift(weight: number): Promise<void> {
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
        `weight ${weight} of ${updateRevision} did not come into force within ${ROUTE_TIMEOUT_MS / 1000} s`,
      );
    });
    await Promise.race([arrived, late]);
    this.line(
      `edit -> route changed ${changedMs?.toFixed(0)} ms; -> ${weight} % in force ${(performance.now() - editedAt).toFixed(0)} ms`,
    );
  }

  private async breakIt(): Promise<void> {
    this.chapter('a broken image at canaryWeight 50: it starts and is never ready');
    await this.patch({ image: IMAGE('1.2.0'), canaryWeight: 50 });
    await this.watch.until('pods of 1.2.0 awaited', (api) => api?.status?.reason === 'PodsNotReady');
    await this.measure('broken image', { '1.1.0': 100, '1.2.0': 0 });
    const ready = this.watch.now()?.status?.conditions?.find(({ type }) => type === 'Ready');
    this.line(`Ready is ${ready?.status}: ${ready?.message}`);
  }

  private async goBack(): Promise<void> {
    this.chapter('back to 1.1.0');
    const startedAt = performance.now();
    await this.patch({ image: IMAGE('1.1.0') });
    await this.watch.until('Ready again', (api) => api?.status?.phase === 'Ready');
    this.tellTime('Ready', performance.now() - startedAt);
    await this.measure('after going back', { '1.1.0': 100 });
  }

  private async remove(): Promise<void> {
    this.chapter('delete');
    const startedAt = performance.now();
    await this.sandbox.parts.kubectl.run(['delete', 'pcfapi', NAME, '-n', NAMESPACE, '--wait=true']);
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
        throw new Error(`left after the deletion: ${left.trim().replaceAll('\n', ', ')}`);
      await sleep(250);
    }
    this.tellTime('nothing is left', performance.now() - startedAt);
  }

  /** Counts who serves for a while, and holds it against what was asked. */
  private async measure(when: string, expected: Record<string, number>): Promise<void> {
    const sample = await this.load.sample(SAMPLE_MS);
    this.line(`served: ${shares(sample)} of ${count(sample)} requests, ${sample.failures.length} failed`);
    for (const [version, share] of Object.entries(expected)) {
      const measured = (100 * (sample.served[version] ?? 0)) / Math.max(1, count(sample));
      this.expect(
        Math.abs(measured - share) <= 2,
        `${when}: ${version} served ${measured.toFixed(1)} %, not ${share} %`,
      );
    }
  }

  private async patch(spec: object): Promise<void> {
    await this.sandbox.parts.client.patch(PcfApiKind, NAMESPACE, NAME, { spec }, { fieldManager: 'story' });
  }

  private async hasColumn(table: string, column: string): Promise<boolean> {
    const client = new Client({ connectionString: this.sandbox.postgres.url(NAMESPACE) });
    await client.connect();
    const found = await client
      .query('SELECT 1 FROM information_schema.columns WHERE table_name = $1 AND column_name = $2', [
        table,
        column,
      ])
      .finally(() => client.end());
    return found.rowCount === 1;
  }

  private sumUp(): void {
    const { total } = this.load;
    const failed = (sample: Sample) => `${count(sample)} requests served, ${sample.failures.length} failed`;
    this.chapter(
      `the end after ${((performance.now() - this.startedAt) / 1000).toFixed(1)} s: ${failed(total)}`,
    );
    if (total.failures.length > 0)
      this.problems.push(`${total.failures.length} requests failed, the first: ${total.failures[0]}`);
    for (const problem of this.problems) this.line(`✘ ${problem}`);
  }

  private expect(holds: boolean, problem: string): void {
    if (!holds) this.problems.push(problem);
  }

  private chapter(title: string): void {
    this.say(`\n▸ ${title}`);
  }

  private tellTime(what: string, ms: number): void {
    this.line(`${what} after ${(ms / 1000).toFixed(1)} s`);
  }

  private line(text: string): void {
    this.say(`    ${text}`);
  }
}
