/** Shared by delivery scenarios: an API with load through the gateway, the Service, and the canary header. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { TestApi } from '../support/cluster/pcf-api.js';
import type { RealCluster } from './cluster/real-cluster.js';
import { type Counts, format, Lanes, share } from './load.js';
import { serviceAddress, sharedGateway, sharedOperator } from './support.js';

/** Time for a route to reach Envoy and for endpoints to reach kube-proxy after the status reports them. */
const PROPAGATION_MS = 2_000;
const SAMPLE_MS = 6_000;
/** Pods on a busy machine take minutes to start. */
const READY_MS = 300_000;
/** Percentage points that a random split of some hundred requests may differ by. */
const TOLERANCE = 10;

export type LaneName = 'gateway' | 'service' | 'header';

export class Delivery {
  private constructor(
    readonly real: RealCluster,
    readonly api: TestApi<RealCluster>,
    readonly lanes: Lanes,
  ) {}

  /** Creates a Ready PcfApi `api` in its own namespace, and starts the load. */
  static async start(namespace: string, spec: object): Promise<Delivery> {
    const real = await sharedOperator();
    const gateway = await sharedGateway();
    await real.createTenant(namespace);
    const api = await TestApi.create(real, namespace, spec);
    await api.ready(READY_MS);
    await sleep(PROPAGATION_MS);
    const lanes = new Lanes();
    const host = `${namespace}.example.com`;
    lanes.add('gateway', { url: gateway, headers: { host } }, { keepAlive: true });
    lanes.add('service', await serviceAddress(real, namespace, 'api'));
    lanes.add('header', { url: gateway, headers: { host, 'x-canary': 'true' } }, { keepAlive: true });
    return new Delivery(real, api, lanes);
  }

  /** Stops the load and deletes the PcfApi. */
  async stop(): Promise<void> {
    await this.lanes.stop();
    await this.api.remove();
  }

  /** Measures each lane and asserts the share of `version` in it, in percent, and that no request failed. */
  async expectShares(
    what: string,
    version: string,
    expected: Partial<Record<LaneName, number>>,
  ): Promise<void> {
    await sleep(PROPAGATION_MS);
    const sample = (await this.lanes.sample(SAMPLE_MS)) as Record<LaneName, Counts>;
    for (const [lane, counts] of Object.entries(sample))
      console.log(`      ${what}, ${lane}: ${format(counts)}; ${counts.failures.length} failures`);
    for (const [lane, percent] of Object.entries(expected) as [LaneName, number][]) {
      const actual = share(sample[lane], version);
      const tolerance = percent === 0 || percent === 100 ? 0 : TOLERANCE;
      const differs = Math.abs(actual - percent) > tolerance;
      assert(!differs, `${what}: ${lane} has ${actual.toFixed(1)} % of ${version}, not ${percent} %`);
    }
    this.expectNoFailure();
  }

  /** Asserts that no request has failed since the last call. */
  expectNoFailure(): void {
    const failures = this.lanes.takeFailures();
    assert.equal(
      failures.length,
      0,
      `${failures.length} requests failed:\n${failures.slice(0, 5).join('\n')}`,
    );
  }

  /** Waits until the desired weight is in effect, and the new revision has a ready pod. */
  async weightInEffect(weight: number): Promise<void> {
    await this.api.watch.until(
      `weight ${weight}`,
      (api) => {
        const { traffic, revisions = [], updateRevision } = api?.status ?? {};
        const update = revisions.find(({ name }) => name === updateRevision);
        const isReady = (update?.readyReplicas ?? 0) > 0;
        return isReady && traffic?.effectiveWeight === weight && traffic.verified;
      },
      READY_MS,
    );
  }

  async promoted(image: string): Promise<void> {
    await this.api.watch.until(
      `promotion of ${image}`,
      (api) => api?.status?.phase === 'Ready' && api.status.stableImage === image,
      READY_MS,
    );
  }

  /** Waits until the delivery is aborted for `reason`. Prints the message. */
  async aborted(reason: string): Promise<void> {
    await this.api.watch.until(
      `abort for ${reason}`,
      (api) => api?.status?.phase === 'Failed' && api.status.failed?.reason === reason,
      300_000,
    );
    console.log(`      ${reason}: ${this.api.status.failed?.message}`);
  }

  /** Runs `kubectl pcf`. */
  async pcf(...args: string[]): Promise<string> {
    return pcf(this.real, this.api.namespace, ...args);
  }
}

/** Runs `kubectl pcf` in a namespace. */
export async function pcf(real: RealCluster, namespace: string, ...args: string[]): Promise<string> {
  const env = { ...process.env, KUBECONFIG: real.cluster.kubeconfigPath };
  const command = ['dist/bundle/cli/bin.js', ...args, '--namespace', namespace];
  return (await promisify(execFile)(process.execPath, command, { env })).stdout;
}
