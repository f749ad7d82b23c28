import assert from 'node:assert/strict';
import type { Sample } from '../../../operator/analysis/analysis-model.js';
import { discoveredQuery, scrapedSinceQuery } from '../../../operator/analysis/sequential/counts-query.js';
import { CountsReader } from '../../../operator/analysis/sequential/read-counts.js';
import { analysis as analysisSchema } from '../../../operator/api/v1alpha1/spec/analysis.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { usePrometheus } from './prometheus-under-test.js';
import { NAMESPACE, ScrapedRevision } from './scraped-api.js';

const LABELS = { namespaceLabel: 'namespace', revisionLabel: 'pcf_dev_revision' };

describe('PrometheusProvider with a real Prometheus: sequential test', () => {
  const under = usePrometheus();

  /** Waits until the revisions have these counts since the start of the test, and for its decision. */
  async function counted(
    metric: Record<string, unknown>,
    [canary, stable]: [string, string],
    since: number,
    expected: [number, number],
    isDecided = false,
  ) {
    let result: Awaited<ReturnType<typeof under.measure>> | undefined;
    await eventually(`${expected} requests are counted`, async () => {
      result = await under.measure({ sequential: {}, ...metric }, canary, stable, {}, since);
      const { requests, stableRequests } = result.sequential ?? {};
      const isComplete = requests === expected[0] && stableRequests === expected[1];
      return isComplete && (!isDecided || result.outcome !== 'Inconclusive');
    });
    return result!;
  }

  it('counts the requests since the start of the step, without extrapolation, and decides', async () => {
    const stable = await under.revision((it) => {
      it.requests(9_000);
      it.requests(9, 'Deployments', { failed: true });
    });
    const since = Date.now();
    const [equal, worse] = [await under.revision((it) => it.requests(1_500)), await under.revision(() => {})];
    // The narrow window starts with a whole second after the first scrape: later requests are in it.
    const part = { from: since, to: Date.now() + 60_000, isFirst: true };
    const started = scrapedSinceQuery(LABELS, { namespace: NAMESPACE, revision: stable.name }, part);
    await eventually(
      'the narrow window has started',
      async () => (await under.prometheus.values(started)).length > 0,
    );
    worse.scraped.requests(600);
    worse.scraped.requests(12, 'Deployments', { failed: true });
    stable.scraped.requests(4_000);
    stable.scraped.requests(4, 'Incidents', { failed: true });
    const rate = { successRate: {} };
    const good = await counted(rate, [equal.name, stable.name], since, [1_500, 4_004], true);
    assert.equal(good.outcome, 'Success', good.detail);
    const bad = await counted(rate, [worse.name, stable.name], since, [612, 4_004], true);
    assert.equal(bad.outcome, 'Failure', bad.detail);
    assert.equal(bad.value, '0.9804');
    assert.ok(bad.sequential!.lower > 0 && bad.sequential!.estimate < 0.02);
  });

  it('counts from 0 after a restart of the process, and nothing of a revision without samples', async () => {
    const stable = await under.revision((it) => it.requests(5_000));
    const canary = await under.revision((it) => it.requests(700));
    const since = Date.now();
    stable.scraped.requests(2_000);
    canary.scraped.requests(20);
    await counted({ successRate: {} }, [canary.name, stable.name], since, [20, 2_000]);
    const restarted = new ScrapedRevision(canary.name);
    restarted.requests(300);
    under.api.expose(canary.name, restarted);
    await counted({ successRate: {} }, [canary.name, stable.name], since, [300, 2_000]);
    const none = await under.measure({ successRate: {}, sequential: {} }, canary.name, 'api-gone', {}, since);
    assert.equal(none.outcome, 'Inconclusive');
    assert.match(none.detail!, /^Prometheus has no requests of the stable revision/);
    const later = Date.now() + 60_000;
    const early = await under.measure(
      { successRate: {}, sequential: {} },
      canary.name,
      stable.name,
      {},
      later,
    );
    assert.match(early.detail!, /^the test starts at 2\S+$/);
  });

  it('starts when the last process that was started before the test is discovered', async () => {
    const stable = await under.revision((it) => it.requests(5_000));
    const since = Date.now();
    const rate = { successRate: {} };
    // A new pod is ready, and receives its first requests, before Prometheus discovers it.
    const canary = await under.revision((it) => it.requests(40), since - 2_000);
    const isDiscovered = async (revision: string) => {
      const part = { from: since, to: Date.now(), isFirst: true };
      const query = discoveredQuery(LABELS, { namespace: NAMESPACE, revision }, part);
      return (await under.prometheus.samples(query, part.to)).length > 0;
    };
    await eventually('the new pod is discovered', () => isDiscovered(canary.name));
    stable.scraped.requests(2_000);
    canary.scraped.requests(300);
    canary.scraped.requests(7, 'Deployments', { failed: true });
    const { value } = await counted(rate, [canary.name, stable.name], since, [307, 2_000]);
    assert.equal(value, '0.9772');
    // Prometheus discovers an old process of the stable revision later, for example after an outage.
    const old = new ScrapedRevision(stable.name, since - 3_600_000);
    old.requests(90_000, 'Deployments', { failed: true });
    under.api.expose(stable.name, old, 'pod-2');
    await eventually('the old process is discovered', () => isDiscovered(stable.name));
    for (const [scraped, count] of [
      [canary.scraped, 20],
      [stable.scraped, 100],
      [old, 50],
    ] as const)
      scraped.requests(count);
    const both = await counted(rate, [canary.name, stable.name], since, [20, 150]);
    assert.equal(both.stableValue, '1', 'without the failures of the old process before');
  });

  it('reads a long step in parts, each once, and again after a restart', async () => {
    const stable = await under.revision((it) => it.requests(1_000));
    const canary = await under.revision((it) => it.requests(100));
    const HOUR = 3_600_000;
    const asked: { query: string; at: number }[] = [];
    const ask = (query: string, at: number) => {
      asked.push({ query, at });
      return under.prometheus.samples(query, at);
    };
    const [of, ofStable] = [canary, stable].map(({ name }) => ({ namespace: NAMESPACE, revision: name }));
    const [metric] = analysisSchema.parse({
      prometheus: { url: under.prometheus.url },
      metrics: [{ name: 'm', successRate: {}, sequential: {} }],
    }).metrics;
    const at = Date.now();
    const request = {
      ...{ spec: metric!, labels: LABELS, canary: of!, stable: ofStable! },
      ...{ since: at - 48 * HOUR, at },
    };
    const reader = new CountsReader();
    const first = await reader.read(request, ask);
    const ranges = () =>
      asked.flatMap(({ query }) => [...query.matchAll(/\[(\d+)ms\]/g)].map(([, ms]) => Number(ms)));
    assert.ok(Math.max(...ranges()) <= HOUR, `${Math.max(...ranges())}`);
    const queries = asked.length;
    asked.length = 0;
    const second = await reader.read({ ...request, at: Date.now() }, ask);
    assert.ok(asked.length < 10 && queries > 100, `${queries}, then ${asked.length}`);
    assert.deepEqual(second.canary.wide, (await new CountsReader().read(request, ask)).canary.wide);
    assert.equal(requestsOf(first.canary.wide), 100);
    assert.equal(requestsOf(second.canary.wide), 100);
  });

  const requestsOf = (samples: Sample[]) => samples.find((it) => it.labels.counted === 'requests')?.value;

  it('finds a slower operation in the histogram, with perOperation', async () => {
    const work = (it: ScrapedRevision, seconds: number) => {
      it.requests(2_000, 'Fast');
      it.requests(480, 'Report', { seconds: 0.07 });
      it.requests(20, 'Report', { seconds });
    };
    const stable = await under.revision((it) => work(it, 0.09));
    const since = Date.now();
    work(stable.scraped, 0.09);
    const canary = await under.revision((it) => work(it, 0.12));
    const latency = { latency: { perOperation: true } };
    const slow = await counted(latency, [canary.name, stable.name], since, [500, 500], true);
    assert.equal(slow.outcome, 'Failure', slow.detail);
    assert.deepEqual([slow.sequential!.operation, slow.sequential!.boundary], ['Report', 0.1]);
  });
});
