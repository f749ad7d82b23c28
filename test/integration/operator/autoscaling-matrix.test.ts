/**
 * Tests the HorizontalPodAutoscaler controller during deliveries, with metrics that the test serves, at
 * the weights of PCF_AUTOSCALING_WEIGHTS=1,10,50,99. Skipped without that variable, because dozens of
 * deliveries run concurrently.
 */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { type AuditedCluster, sharedAuditedCluster } from '../../support/cluster/audited-cluster.js';
import {
  AutoscalingCell,
  type Combination,
  LOADS,
  METRICS,
  OWNERS,
  REPLICAS,
  STRATEGIES,
  serve,
} from '../../support/cluster/autoscaling-cells.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { START_TIMEOUT_MS } from '../../support/cluster/sandbox.js';
import { MetricsApi } from '../../support/servers/metrics-api.js';

const { PCF_AUTOSCALING_WEIGHTS } = process.env;
const WEIGHTS = (PCF_AUTOSCALING_WEIGHTS ?? '').split(',').map(Number);
/** The HPA controller of the sandbox syncs every 2 s. */
const SEVEN_DECISIONS_MS = 14_000;
/** Timeout for all cells on a busy machine. */
const LIMIT_MS = 240_000;

/** Dozens of concurrent deliveries can delay the renewal of a 15 s lease on a small machine. */
const SLOW_LEASE = ['--lease-duration', '60s', '--renew-deadline', '50s', '--retry-period', '5s'];

const suite = PCF_AUTOSCALING_WEIGHTS ? describe : describe.skip;
suite('HorizontalPodAutoscaler during a delivery, by metric, strategy, weight and owner', function () {
  this.timeout(2 * LIMIT_MS);
  let cluster: AuditedCluster;
  let metrics: MetricsApi;
  let cells: AutoscalingCell[] = [];

  before(async function () {
    this.timeout(START_TIMEOUT_MS);
    cluster = await sharedAuditedCluster();
    await cluster.operator('operator', { args: SLOW_LEASE });
    metrics = await MetricsApi.start(cluster.sandbox);
    const byNamespace = new Map<string, AutoscalingCell>();
    serve(metrics, byNamespace);
    const all = combinations();
    await cluster.namespaces(all.map((_, index) => namespaceOf(index)));
    cells = await each(all, async (one, index) => {
      const cell = await AutoscalingCell.create(cluster, one, namespaceOf(index));
      byNamespace.set(cell.namespace, cell);
      await cell.startAutoscaler();
      return cell;
    });
    await each(cells, ({ watch }) => cluster.ready(watch, LIMIT_MS));
  });

  after(async () => {
    await metrics?.stop();
    await cluster?.clear();
  });

  it('does not change spec.replicas at constant load, during the delivery or after it', async () => {
    await eventually('every PcfApi has its initial replicas', () => cells.every(isAtRest), LIMIT_MS);
    await sleep(SEVEN_DECISIONS_MS);
    for (const cell of cells) cell.record();
    await each(cells, (cell) => cell.deliver('1.1.0'));
    await sleep(SEVEN_DECISIONS_MS);
    await each(cells, (cell) => cell.promote('1.1.0'));
    await sleep(SEVEN_DECISIONS_MS);
    print(cells);
    const changed = cells.filter((cell) => !isWithin(cell, isInexact(cell.combination) ? 1 : 0));
    assert.deepEqual(changed.map(row), []);
  });

  it('changes spec.replicas when the load rises or falls during a delivery', async () => {
    const loaded = cells.filter(({ combination }) => isLoaded(combination));
    await each(loaded, (cell) => cell.deliver('1.2.0'));
    const rise = await measureScaling(loaded, LOADS.rise, (replicas) => replicas > REPLICAS);
    const fall = await measureScaling(loaded, LOADS.fall, (replicas) => replicas < REPLICAS);
    console.log(
      `\n    autoscaler: scaled up after ${rise} s, down after ${fall} s (10 s of it stabilization)`,
    );
    assert.ok(rise < 20, `scaled up after ${rise} s`);
  });
});

const namespaceOf = (index: number) => `autoscaling-${index}`;
/** Covers split traffic, and one revision with all traffic. */
const isLoaded = ({ strategy, weight }: Combination) =>
  strategy === 'BlueGreen' ? weight === 0 : strategy === 'Canary' && weight === WEIGHTS.at(-1);
/** docs/scaling.md documents this limit: neither revision has all pods, and memory is the only metric. */
const isInexact = ({ strategy, metric, weight }: Combination) =>
  strategy === 'RollingUpdate' && metric === 'memory' && weight === 50;
const isWithin = ({ seen }: AutoscalingCell, pods: number) =>
  REPLICAS - seen.min <= pods && seen.max - REPLICAS <= pods;
const isAtRest = ({ replicas }: AutoscalingCell) => replicas === REPLICAS;

/**
 * Weight 0 is BlueGreen before its switch. A user's own autoscaler for CPU and memory matches one
 * selector only while one revision has all traffic.
 */
function combinations(): Combination[] {
  return METRICS.flatMap((metric) =>
    STRATEGIES.flatMap((strategy) =>
      [...(strategy === 'BlueGreen' ? [0] : []), ...WEIGHTS].flatMap((weight) =>
        OWNERS.filter((owner) => owner === 'ours' || metric !== 'cpu and memory' || weight === 0).map(
          (owner) => ({ metric, strategy, weight, owner }),
        ),
      ),
    ),
  );
}

/** Returns the seconds until the last cell has scaled. */
async function measureScaling(
  cells: readonly AutoscalingCell[],
  load: number,
  hasScaled: (replicas: number) => boolean,
): Promise<number> {
  for (const cell of cells) cell.load = load;
  const startedAt = performance.now();
  const missing = () => cells.filter(({ replicas = 0 }) => !hasScaled(replicas)).map(({ name }) => name);
  await eventually('every autoscaler has scaled', () => missing().length === 0).catch((error: Error) => {
    throw new Error(`${error.message}; missing: ${missing().join('; ')}`);
  });
  return Math.round((performance.now() - startedAt) / 100) / 10;
}

/** Processes eight items concurrently. */
async function each<T, R>(items: readonly T[], work: (item: T, index: number) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const entries = items.entries();
  const worker = async () => {
    for (const [index, item] of entries) results[index] = await work(item, index);
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  return results;
}

const row = ({ seen, combination }: AutoscalingCell) =>
  `| ${Object.values(combination).join(' | ')} | ${seen.min} | ${seen.max} |`;

function print(cells: readonly AutoscalingCell[]): void {
  console.log('\n    spec.replicas at constant load, during and after a delivery');
  console.log(
    '    | metric | strategy | weight | autoscaler | least | most |\n    |---|---|---|---|---|---|',
  );
  for (const cell of cells) console.log(`    ${row(cell)}`);
}
