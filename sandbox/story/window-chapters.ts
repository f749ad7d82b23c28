/** Chapters of the scenario "delivery" about windows, freezes and sticky users. The canary is at 20 %, before and after. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';
import { Browsers } from './browsers.js';
import { PcfWindowKind } from './pcfapi-watch.js';
import { HOST, Scenario } from './scenario.js';

const FREEZE = 'incident';
const USERS = 500;

export abstract class WindowChapters extends Scenario {
  /** A freeze of the platform team during a step. */
  protected async freeze(version: string): Promise<void> {
    this.chapter('a freeze during a step, and an override with a reason');
    const { client } = this.sandbox.parts;
    const metadata = { name: FREEZE };
    const spec = { freeze: [{ reason: 'INC-4711' }] };
    const startedAt = performance.now();
    await client.create(PcfWindowKind, { apiVersion: 'pcf.dev/v1alpha1', kind: 'PcfWindow', metadata, spec });
    await this.watch.until('closed', (api) => api?.status?.windows?.state === 'Closed');
    this.line(`PcfWindow created -> in effect ${(performance.now() - startedAt).toFixed(0)} ms`);
    await this.patch({ canaryWeight: 40 });
    await this.watch.until('held', (api) => api?.status?.reason === 'WindowClosed');
    this.printReady();
    await this.measure('canaryWeight 40 during the freeze', { [version]: 20 });
    await this.pcf('window', 'override', 'pcf-api', '--reason', 'INC-4711: fix', '--for', '5m');
    await this.weightReached(40);
    this.line('kubectl pcf window override -> 40 % in effect');
    await this.pcf('window', 'override', 'pcf-api', '--end');
    await this.patch({ canaryWeight: null });
    await this.weightReached(20);
    this.line('canaryWeight removed -> a lower weight is not held: 20 % in effect');
    await client.delete(PcfWindowKind, undefined, FREEZE);
  }

  /** An error budget below its bound holds the weight. */
  protected async freezeByValue(version: string, url: string): Promise<void> {
    this.chapter('freezeWhen: an error budget below its bound, measured by Prometheus');
    const budget = (value: number) => ({
      prometheus: { url },
      freezeWhen: [{ name: 'error-budget', query: `vector(${value})`, below: 0.1, interval: '5s' }],
    });
    await this.patch({ windows: budget(0.04), canaryWeight: 40 });
    const isBelow = (message: string) => message.includes('0.04 is below 0.1');
    await this.watch.until('held', (api) =>
      (api?.status?.conditions ?? []).some(({ type, message }) => type === 'Ready' && isBelow(message)),
    );
    this.printReady();
    await this.measure('canaryWeight 40 with a small budget', { [version]: 20 });
    await this.patch({ windows: budget(0.5) });
    await this.weightReached(40);
    this.line('the budget is 0.5 -> 40 % in effect');
    await this.patch({ windows: null, canaryWeight: null });
    await this.weightReached(20);
  }

  protected async stickyUsers(version: string): Promise<void> {
    this.chapter(`sticky users: ${USERS} browsers that store the cookie`);
    const origin = `https://127.0.0.1:${this.sandbox.gatewayPort}`;
    const connect = { ca: readFileSync(this.sandbox.gateway.caPath, 'utf8'), servername: HOST };
    const pool = new Pool(origin, { connect, connections: 8 });
    const browsers = new Browsers(USERS, pool, origin, HOST);
    await this.patch({ strategy: { canary: { stickiness: { cookie: {} } } } });
    for (const weight of [20, 60]) {
      await this.patch({ canaryWeight: weight });
      await this.watch.until(`${weight} % of the users`, (api) => {
        const { effectiveWeight, verified, stickyCookie } = api?.status?.traffic ?? {};
        return effectiveWeight === weight && verified === true && stickyCookie !== undefined;
      });
      await sleep(500);
      const canary = this.watch.now()?.status?.updateRevision;
      const before = browsers.snapshot();
      await browsers.visit();
      const left = browsers.all.filter(
        ({ revision }, at) => before[at]!.revision === canary && revision !== canary,
      );
      const share = browsers.share(canary);
      this.line(
        `${weight} %: ${share.toFixed(1)} % of the browsers have ${version}, ${left.length} returned from it`,
      );
      // Four standard deviations of a random split.
      const tolerance = 4 * Math.sqrt((weight * (100 - weight)) / browsers.all.length);
      const isExpected = Math.abs(share - weight) <= tolerance && left.length === 0;
      this.expect(isExpected, `sticky users at ${weight} %`);
    }
    await pool.close();
    await this.patch({ strategy: { canary: { stickiness: null } }, canaryWeight: null });
    await this.weightReached(20);
  }

  protected printReady(): void {
    const ready = this.watch.now()?.status?.conditions?.find(({ type }) => type === 'Ready');
    this.line(`Ready is ${ready?.status}: ${ready?.message}`);
  }

  protected weightReached(weight: number): Promise<void> {
    return this.watch.until(`${weight} % in effect`, (api) => {
      const { traffic, updateRevision } = api?.status ?? {};
      return updateRevision !== undefined && traffic?.effectiveWeight === weight && traffic.verified;
    });
  }
}
