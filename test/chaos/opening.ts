/**
 * First part of the chaos test: a healthy version goes through every strategy without disruptions,
 * so shares of traffic and numbers of pods can be asserted exactly.
 */
import assert from 'node:assert/strict';
import { request } from 'undici';
import { PORTS } from '../../contract/image.js';
import { count, type Load, type Sample } from '../../sandbox/story/load.js';
import { eventually, image, type TestApi } from '../support/cluster/pcf-api.js';
import type { World } from './world.js';

const OLD = '1.0.0';
const NEW = '1.1.0';

/** `byHeader` is the load with the canary header. */
export async function opening(world: World, load: Load, byHeader: Load): Promise<void> {
  await walkSteps(world.api, load, byHeader);
  await mirror(world, load, byHeader);
  await promoteAndUndo(world.api);
  await roll(world, load);
}

async function walkSteps(api: TestApi, load: Load, byHeader: Load): Promise<void> {
  const steps = [
    { weight: 20, hold: '1s' },
    { weight: 50, pause: true },
  ];
  await api.patch({
    image: image(NEW),
    strategy: { type: 'Canary', canary: { steps, scaleDownDelay: '10s' } },
  });
  await weightInEffect(api, 50);
  const [all, withHeader] = await Promise.all([load.sample(1_500, 100), byHeader.sample(1_500)]);
  near(all, 50);
  assert.deepEqual(Object.keys(withHeader.served), [NEW], 'requests with the header reach the canary');
  await api.patch({ canaryWeight: 80 });
  await weightInEffect(api, 80);
  near(await load.sample(1_500, 100), 80);
}

/** The canary receives copies of 50 % of the requests, and serves only requests with the header. */
async function mirror({ api, watchdog }: World, load: Load, byHeader: Load): Promise<void> {
  await api.patch({ canaryWeight: 0, strategy: { canary: { mirror: 50 } } });
  await weightInEffect(api, 0);
  await api.watch.until('mirroring is in effect', () =>
    watchdog.rules().some(({ mirrors = [] }) => mirrors.length > 0),
  );
  const { updateRevision } = api.status;
  // The canary had two pods at weight 80.
  await eventually(
    'the canary has one pod for the mirrored requests',
    () => watchdog.serving(updateRevision).length === 1,
  );
  const canaries = watchdog.ready(updateRevision).map(({ status }) => (status as { podIP: string }).podIP);
  const before = await operations(api, canaries);
  const whole = load.sample(2_000, 50);
  const [all, withHeader] = await Promise.all([whole, byHeader.sampleUntil(whole)]);
  const copies = (await operations(api, canaries)) - before - count(withHeader);
  assert.deepEqual(Object.keys(all.served), [OLD]);
  const share = copies / count(all);
  assert.ok(
    share > 0.25 && share < 0.75,
    `${copies} copies of ${count(all)} requests; the mirror percentage is 50`,
  );
  await api.patch({ canaryWeight: null, strategy: { canary: { mirror: null } } });
  await weightInEffect(api, 50);
}

async function promoteAndUndo(api: TestApi): Promise<void> {
  const pcf = (...[first, ...more]: string[]) =>
    api.sandbox.kubectlPcf([first!, api.name, ...more, '-n', api.namespace]);
  await pcf('promote', '--full');
  await ready(api, NEW);
  await pcf('undo');
  await ready(api, OLD);
  assert.equal(api.status.history?.[0]?.outcome, 'Undone');
}

/** Rolls pod by pod. The number of ready pods never falls below the replicas. */
async function roll({ api, watchdog }: World, load: Load): Promise<void> {
  watchdog.countReady();
  const rolled = ready(api, NEW);
  await api.patch({
    strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
    env: [{ name: 'CHAOS', value: 'rolled' }],
    image: image(NEW),
  });
  const { served } = await load.sampleUntil(rolled);
  assert.equal(watchdog.fewestReady, 2, 'never fewer pods than replicas');
  assert.ok(
    (served[OLD] ?? 0) > 0 && (served[NEW] ?? 0) > 0,
    `both versions served requests: ${JSON.stringify(served)}`,
  );
}

function weightInEffect(api: TestApi, weight: number): Promise<void> {
  return api.watch.until(`weight ${weight}`, (view) => {
    const { traffic, updateRevision } = view?.status ?? {};
    return updateRevision !== undefined && traffic?.effectiveWeight === weight && traffic.verified;
  });
}

function ready(api: TestApi, version: string): Promise<void> {
  return api.watch.until(
    `${version} promoted`,
    (view) => view?.status?.phase === 'Ready' && view.status.stableImage === image(version),
  );
}

function near(sample: Sample, share: number): void {
  const measured = (100 * (sample.served[NEW] ?? 0)) / count(sample);
  assert.ok(Math.abs(measured - share) < 12, `${NEW} served ${measured} %, desired ${share} %`);
}

/** Number of GraphQL operations that these pods report in their metrics. */
async function operations({ sandbox }: TestApi, podIps: string[]): Promise<number> {
  const counts = await Promise.all(
    podIps.map(async (podIp) => {
      const port = sandbox.node.addresses.localPort(podIp, PORTS.metrics);
      const { body } = await request(`http://127.0.0.1:${port}/metrics`);
      const lines = (await body.text()).matchAll(/^graphql_operation_duration_seconds_count\{.*\} (\d+)$/gm);
      return [...lines].reduce((sum, [, value]) => sum + Number(value), 0);
    }),
  );
  return counts.reduce((sum, one) => sum + one, 0);
}
