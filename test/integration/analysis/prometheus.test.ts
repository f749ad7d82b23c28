import assert from 'node:assert/strict';
import { generate } from 'selfsigned';
import { measure as figuresOf } from '../../../cli/baseline/measure.js';
import type { Figures } from '../../../cli/baseline/record.js';
import { QueryServer } from '../../../cli/prometheus.js';
import { METRICS } from '../../../contract/metrics.js';
import type { Sample, Subject } from '../../../operator/analysis/analysis-model.js';
import { evaluate } from '../../../operator/analysis/bounds.js';
import { planMetrics } from '../../../operator/analysis/plan-metrics.js';
import { PrometheusProvider } from '../../../operator/analysis/providers/prometheus.js';
import { scrapedSinceQuery } from '../../../operator/analysis/sequential/counts-query.js';
import { CountsReader } from '../../../operator/analysis/sequential/read-counts.js';
import { analysis as analysisSchema } from '../../../operator/api/v1alpha1/spec/analysis.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';
import { secretsFrom } from '../../support/fixtures/secrets.js';
import { startPrometheus, type TestPrometheus } from '../../support/servers/prometheus.js';
import { NAMESPACE, ScrapedApi, ScrapedRevision } from './scraped-api.js';

const LABELS = { namespaceLabel: 'namespace', revisionLabel: 'pcf_dev_revision' };

describe('PrometheusProvider with a real Prometheus', () => {
  const api = new ScrapedApi();
  let prometheus: TestPrometheus;
  let revisions = 0;

  before(async function () {
    await api.start();
    const started = await startPrometheus({ target: api.address });
    if (!started) return this.skip();
    prometheus = started;
  });
  after(async () => {
    await prometheus?.remove();
    await api.stop();
  });

  /** Exposes a new revision whose pods have executed `work` before their first scrape. */
  async function revision(work: (scraped: ScrapedRevision) => void) {
    revisions += 1;
    const name = `api-${revisions}`;
    const scraped = new ScrapedRevision(name);
    work(scraped);
    api.expose(name, scraped);
    await eventually(`${name} is scraped`, () => isScraped(name));
    return { name, scraped };
  }

  const isScraped = async (name: string) =>
    (await prometheus.values(`pcf_api_build_info{pcf_dev_revision="${name}"}`)).length > 0;

  async function measure(
    metric: Record<string, unknown>,
    canary: string,
    stable?: string,
    target = {},
    countFrom?: number,
  ) {
    const analysis = analysisSchema.parse({
      prometheus: { url: prometheus.url, ...target },
      metrics: [{ name: 'm', ...metric }],
    });
    const [planned] = planMetrics(analysis) as [ReturnType<typeof planMetrics>[0]];
    const subject: Subject = {
      ...{ namespace: NAMESPACE, name: 'api', image: 'pcf-api:2', weight: 10 },
      ...{ revision: canary, stableRevision: stable },
    };
    const at = Date.now();
    const due = { name: 'm', since: new Date(at).toISOString(), number: 0 };
    const provider = new PrometheusProvider(secretsFrom(secrets));
    const request = { api: pcfApi(), analysis, subject, metric: planned, due, at, countFrom };
    return evaluate(planned.spec, await provider.measure(request, new AbortController().signal));
  }

  const secrets: Record<string, Record<string, string>> = {};

  it('has the figures of a performance baseline', async () => {
    const { name, scraped } = await revision((it) => it.requests(1));
    scraped.requests(190, 'Deployments', { seconds: 0.02 });
    scraped.requests(10, 'Deployments', { seconds: 0.6, failed: true });
    const server = new QueryServer(undefined as never, prometheus.url);
    const of = (windowSeconds: number) => figuresOf(server, pcfApi(), name, windowSeconds);
    await eventually('the requests are scraped', async () => !('requests' in (await of(60))));
    const found = (await of(60)) as Figures;
    assert.ok(Math.abs(found.errorShare - 0.05) < 0.02, String(found.errorShare));
    assert.ok(found.p50 > 0.005 && found.p50 <= 0.025, String(found.p50));
    assert.ok(found.p99 > 0.5 && found.p99 <= 1, String(found.p99));
    const unknown = await figuresOf(server, pcfApi(), 'api-unknown', 60);
    assert.deepEqual(unknown, { requests: 0, windowSeconds: 60 });
  });

  describe('success rate', () => {
    it('counts failures before the first scrape, and HTTP 200 responses that contain an error', async () => {
      const { name } = await revision((it) => {
        it.requests(45);
        it.requests(5, 'Deployments', { failed: true });
      });
      assert.deepEqual(await measure({ successRate: {}, min: 0.95 }, name), {
        outcome: 'Failure',
        value: '0.9',
        detail: '0.9 is less than 0.95',
      });
      assert.equal((await measure({ successRate: {}, min: 0.9 }, name)).outcome, 'Success');
    });

    it('is 1 and not "no data" when no request failed', async () => {
      const { name } = await revision((it) => it.requests(20));
      assert.deepEqual(await measure({ successRate: {}, min: 1 }, name), {
        outcome: 'Success',
        value: '1',
        detail: '1',
      });
    });

    it('is inconclusive below minRequests, without requests, and for an unknown revision', async () => {
      const few = await revision((it) => it.requests(9));
      const none = await revision(() => {});
      const words = 'no data, or fewer than 10 requests in 2m';
      for (const name of [few.name, none.name, 'api-unknown']) {
        assert.deepEqual(await measure({ successRate: {}, min: 0.9 }, name), {
          outcome: 'Inconclusive',
          detail: words,
        });
      }
      assert.equal(
        (await measure({ successRate: { minRequests: 9 }, min: 0.9 }, few.name)).outcome,
        'Success',
      );
    });

    it('with perOperation, fails on the worst operation although the total passes', async () => {
      const { name } = await revision((it) => {
        it.requests(1_000);
        it.requests(10, 'Incidents');
        it.requests(10, 'Incidents', { failed: true });
        it.requests(3, 'Rare', { failed: true });
      });
      assert.equal((await measure({ successRate: {}, min: 0.98 }, name)).outcome, 'Success');
      assert.deepEqual(await measure({ successRate: { perOperation: true }, min: 0.98 }, name), {
        outcome: 'Failure',
        value: '0.5',
        detail: 'Incidents 0.5 is less than 0.98',
      });
      const one = { successRate: { operation: 'Deployments' }, min: 0.98 };
      assert.equal((await measure(one, name)).detail, '1');
    });

    it('ignores requests from before the window', async () => {
      const { name, scraped } = await revision((it) => it.requests(50, 'Deployments', { failed: true }));
      const metric = { successRate: { window: '2s', minRequests: 1 }, min: 0.99 };
      assert.equal((await measure(metric, name)).value, '0');
      await eventually('the failures are older than the window, and successful requests follow', async () => {
        scraped.requests(5);
        return (await measure(metric, name)).outcome === 'Success';
      });
      assert.equal((await measure({ successRate: {}, min: 0.99 }, name)).outcome, 'Failure');
    });

    it('compares with the stable revision over the same window', async () => {
      const stable = await revision((it) => {
        it.requests(95);
        it.requests(5, 'Deployments', { failed: true });
      });
      const canary = await revision((it) => {
        it.requests(90);
        it.requests(10, 'Deployments', { failed: true });
      });
      const compared = (absolute: number) =>
        measure({ successRate: {}, compareWithStable: { absolute } }, canary.name, stable.name);
      assert.equal((await compared(0.05)).outcome, 'Success');
      assert.deepEqual(await compared(0.04), {
        outcome: 'Failure',
        value: '0.9',
        stableValue: '0.95',
        detail: '0.9, stable has 0.95: worse by 0.05, tolerance 0.04',
      });
      const alone = await measure(
        { successRate: {}, compareWithStable: { absolute: 1 } },
        canary.name,
        'api-gone',
      );
      assert.equal(alone.outcome, 'Inconclusive');
    });
  });

  describe('jobs of the workers', () => {
    it('fail the canary by the rate of failed attempts, compared with the stable revision', async () => {
      const stable = await revision((it) => {
        it.jobs(99);
        it.jobs(1, 'webhook-delivery', { failed: true });
      });
      const canary = await revision((it) => {
        it.jobs(40);
        it.jobs(10, 'webhook-delivery', { failed: true });
        it.jobs(50, 'retention');
      });
      const metric = { jobFailureRate: {}, compareWithStable: { absolute: 0.02 } };
      const measured = await measure(metric, canary.name, stable.name);
      assert.deepEqual([measured.outcome, measured.value, measured.stableValue], ['Failure', '0.1', '0.01']);
      assert.deepEqual(await measure({ jobFailureRate: { perQueue: true }, max: 0.15 }, canary.name), {
        outcome: 'Failure',
        value: '0.2',
        detail: 'webhook-delivery 0.2 is more than 0.15',
      });
      const one = { jobFailureRate: { queue: 'retention' }, max: 0 };
      assert.equal((await measure(one, canary.name)).outcome, 'Success');
    });

    it('are measured by their duration, and are inconclusive below minJobs', async () => {
      const { name } = await revision((it) => {
        it.jobs(90, 'webhook-delivery', { seconds: 0.02 });
        it.jobs(10, 'webhook-delivery', { seconds: 4 });
      });
      const slow = await measure({ jobDuration: { percentile: 99 }, max: 1 }, name);
      assert.equal(slow.outcome, 'Failure');
      assert.ok(Number(slow.value) > 1 && Number(slow.value) <= 5, slow.value);
      assert.equal((await measure({ jobDuration: { percentile: 50 }, max: 1 }, name)).outcome, 'Success');
      const few = { jobDuration: { minJobs: 101, queue: 'webhook-delivery' }, max: 1 };
      assert.deepEqual(await measure(few, name), {
        outcome: 'Inconclusive',
        detail: 'no data, or fewer than 101 attempts at jobs of webhook-delivery in 2m',
      });
    });
  });

  describe('latency', () => {
    it('reads the percentile from the histogram, and per operation with perOperation', async () => {
      const { name } = await revision((it) => {
        it.requests(980);
        it.requests(20, 'Report', { seconds: 0.9 });
      });
      const p50 = await measure({ latency: { percentile: 50 }, max: 0.025 }, name);
      assert.equal(p50.outcome, 'Success');
      const p99 = await measure({ latency: {}, max: 0.2 }, name);
      assert.equal(p99.outcome, 'Failure');
      assert.ok(Number(p99.value) > 0.5 && Number(p99.value) <= 1, p99.value);
      const worst = await measure({ latency: { perOperation: true, percentile: 50 }, max: 0.2 }, name);
      assert.match(worst.detail!, /^Report 0\.\d+ is more than 0\.2$/);
    });

    it('compares with the stable revision', async () => {
      const stable = await revision((it) => it.requests(100, 'A', { seconds: 0.02 }));
      const canary = await revision((it) => it.requests(100, 'A', { seconds: 0.2 }));
      const metric = { latency: { percentile: 90 }, compareWithStable: { relative: 50 } };
      assert.equal((await measure(metric, canary.name, stable.name)).outcome, 'Failure');
      assert.equal((await measure(metric, stable.name, canary.name)).outcome, 'Success');
    });
  });

  describe('sequential test', () => {
    /** Waits until the revisions have these counts since the start of the test, and for its decision. */
    async function counted(
      metric: Record<string, unknown>,
      [canary, stable]: [string, string],
      since: number,
      expected: [number, number],
      isDecided = false,
    ) {
      let result: Awaited<ReturnType<typeof measure>> | undefined;
      await eventually(`${expected} requests are counted`, async () => {
        result = await measure({ sequential: {}, ...metric }, canary, stable, {}, since);
        const { requests, stableRequests } = result.sequential ?? {};
        const isComplete = requests === expected[0] && stableRequests === expected[1];
        return isComplete && (!isDecided || result.outcome !== 'Inconclusive');
      });
      return result!;
    }

    it('counts the requests since the start of the step, without extrapolation, and decides', async () => {
      const stable = await revision((it) => {
        it.requests(9_000);
        it.requests(9, 'Deployments', { failed: true });
      });
      const since = Date.now();
      const [equal, worse] = [await revision((it) => it.requests(1_500)), await revision(() => {})];
      // The narrow window starts with a whole second after the first scrape: later requests are in it.
      const part = { from: since, to: Date.now() + 60_000, isFirst: true };
      const started = scrapedSinceQuery(LABELS, { namespace: NAMESPACE, revision: stable.name }, part);
      await eventually(
        'the narrow window has started',
        async () => (await prometheus.values(started)).length > 0,
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
      const stable = await revision((it) => it.requests(5_000));
      const canary = await revision((it) => it.requests(700));
      const since = Date.now();
      stable.scraped.requests(2_000);
      canary.scraped.requests(20);
      await counted({ successRate: {} }, [canary.name, stable.name], since, [20, 2_000]);
      const restarted = new ScrapedRevision(canary.name);
      restarted.requests(300);
      api.expose(canary.name, restarted);
      await counted({ successRate: {} }, [canary.name, stable.name], since, [300, 2_000]);
      const none = await measure({ successRate: {}, sequential: {} }, canary.name, 'api-gone', {}, since);
      assert.equal(none.outcome, 'Inconclusive');
      assert.match(none.detail!, /^Prometheus has no requests of the stable revision/);
      const later = Date.now() + 60_000;
      const early = await measure({ successRate: {}, sequential: {} }, canary.name, stable.name, {}, later);
      assert.match(early.detail!, /^the test starts at 2\S+$/);
    });

    it('does not count a process that was not scraped before the test, until it is known', async () => {
      const stable = await revision((it) => it.requests(5_000));
      const since = Date.now();
      const canary = await revision((it) => it.requests(40));
      stable.scraped.requests(2_000);
      const rate = { successRate: {} };
      await counted(rate, [canary.name, stable.name], since, [40, 2_000]);
      // Prometheus finds an old process of the stable revision after the start, for example after an outage.
      const old = new ScrapedRevision(stable.name, since - 3_600_000);
      old.requests(90_000, 'Deployments', { failed: true });
      api.expose(stable.name, old, 'pod-2');
      await eventually('the old process is scraped', async () => {
        const found = await prometheus.values(`count(${METRICS.processStart}{pod="pod-2"})`);
        return found.length > 0;
      });
      const { sequential } = await counted(rate, [canary.name, stable.name], since, [40, 2_000]);
      assert.equal(sequential?.stableRequests, 2_000);
    });

    it('reads a long step in parts, each once, and again after a restart', async () => {
      const stable = await revision((it) => it.requests(1_000));
      const canary = await revision((it) => it.requests(100));
      const HOUR = 3_600_000;
      const asked: { query: string; at: number }[] = [];
      const ask = (query: string, at: number) => {
        asked.push({ query, at });
        return prometheus.samples(query, at);
      };
      const [of, ofStable] = [canary, stable].map(({ name }) => ({ namespace: NAMESPACE, revision: name }));
      const [metric] = analysisSchema.parse({
        prometheus: { url: prometheus.url },
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
      const stable = await revision((it) => work(it, 0.09));
      const since = Date.now();
      work(stable.scraped, 0.09);
      const canary = await revision((it) => work(it, 0.12));
      const latency = { latency: { perOperation: true } };
      const slow = await counted(latency, [canary.name, stable.name], since, [500, 500], true);
      assert.equal(slow.outcome, 'Failure', slow.detail);
      assert.deepEqual([slow.sequential!.operation, slow.sequential!.boundary], ['Report', 0.1]);
    });
  });

  describe('burn rate', () => {
    it('is the share of errors relative to the error budget, in both windows', async () => {
      const { name } = await revision((it) => {
        it.requests(980);
        it.requests(20, 'Deployments', { failed: true });
      });
      const burned = (objective: number) => measure({ burnRate: { objective } }, name);
      const fast = await burned(0.999);
      assert.deepEqual([fast.outcome, fast.value], ['Failure', '20']);
      assert.equal((await burned(0.99)).value, '2');
      assert.deepEqual(await measure({ burnRate: { objective: 0.99 } }, 'api-unknown'), {
        outcome: 'Inconclusive',
        detail: 'no data, or fewer than 10 requests in 5m',
      });
    });
  });

  describe('query', () => {
    const count = `sum(${METRICS.operationCount}{namespace="{{namespace}}",pcf_dev_revision="{{revision}}"})`;

    it('is evaluated for the revision, and for both revisions with compareWithStable', async () => {
      const stable = await revision((it) => it.requests(40));
      const canary = await revision((it) => it.requests(30));
      assert.equal((await measure({ query: count, min: 30, max: 30 }, canary.name)).detail, '30');
      const better = { better: 'Higher', relative: 20 };
      const compared = await measure({ query: count, compareWithStable: better }, canary.name, stable.name);
      assert.equal(compared.detail, '30, stable has 40: worse by 10, tolerance 8');
    });

    it('may return a scalar or several series', async () => {
      assert.equal((await measure({ query: 'scalar(vector(4))', max: 5 }, 'any')).value, '4');
      const { name } = await revision((it) => {
        it.requests(4, 'A');
        it.requests(7, 'B');
      });
      const query = `sum by (operation, pcf_dev_revision) (${METRICS.operationCount}{pcf_dev_revision="{{revision}}"})`;
      assert.equal((await measure({ query, max: 5 }, name)).detail, 'B 7 is more than 5');
    });

    it('is inconclusive when it returns NaN or no series', async () => {
      assert.match((await measure({ query: 'vector(0) / 0', max: 5 }, 'any')).detail!, /is NaN/);
      assert.deepEqual(await measure({ query: 'nobody_counts_this', max: 5 }, 'any'), {
        outcome: 'Inconclusive',
        detail: 'no data',
      });
      assert.equal(
        (await measure({ query: 'vector(1) / 0', max: 5 }, 'any')).detail,
        'Infinity is more than 5',
      );
    });

    it('rejects an invalid query with the error message of Prometheus', async () => {
      await assert.rejects(
        measure({ query: 'sum(', max: 5 }, 'any'),
        /Prometheus at http:.*parse error: unclosed left/,
      );
      await assert.rejects(
        measure({ query: 'up[1m]', max: 5 }, 'any'),
        /returns a matrix; it must return an instant/,
      );
      await assert.rejects(
        measure({ query: 'nobody{a="{{pod}}"}', max: 5 }, 'any'),
        /the query contains the unknown placeholder \{\{pod\}\}; known are \{\{namespace\}\}/,
      );
    });

    it('escapes quotes in a revision name', async () => {
      const query = 'count(pcf_api_build_info{pcf_dev_revision="{{revision}}"}) or vector(0)';
      assert.equal((await measure({ query, max: 0 }, 'x"} or pcf_api_build_info{a!="')).outcome, 'Success');
      await revision((it) => it.requests(1));
      assert.equal(
        (
          await measure(
            { query: 'count(pcf_api_build_info{a="x"} or pcf_api_build_info{a!="x"})', max: 0 },
            'any',
          )
        ).outcome,
        'Failure',
      );
    });
  });

  describe('with TLS and basic authentication', () => {
    let secure: TestPrometheus;
    const PASSWORD = 'hush';
    /** bcrypt hash of PASSWORD, the format that Prometheus requires. */
    const HASH = '$2b$04$M8MXSlgMO.cXdu4AZxmcje9W2OflTP7abJAOAuDKdNZuEGnvTg6RC';

    before(async () => {
      const { cert, private: key } = await generate([{ name: 'commonName', value: 'test' }], {
        keyType: 'ec',
        extensions: [
          { name: 'basicConstraints', cA: true },
          { name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] },
        ],
      });
      secrets.ca = { 'ca.crt': cert };
      secrets.login = { username: 'operator', password: PASSWORD };
      secrets.wrong = { username: 'operator', password: 'guess' };
      const options = { cert, key, user: 'operator', passwordHash: HASH };
      secure = (await startPrometheus({ target: api.address, secure: options }))!;
    });
    after(() => secure?.remove());

    const measureWith = (login: string, tls: object | undefined) =>
      measure({ query: 'vector(1)', max: 1 }, 'any', undefined, {
        ...{ url: secure.url, auth: { basicSecretRef: { name: login } }, tls },
      });

    it('requires the correct password and a trusted certificate', async () => {
      const tls = { caSecretRef: { name: 'ca' } };
      assert.equal((await measureWith('login', tls)).outcome, 'Success');
      await assert.rejects(measureWith('wrong', tls), /status 401/);
      await assert.rejects(
        measureWith('login', undefined),
        /its certificate is not trusted: set tls.caSecretRef/,
      );
    });
  });
});
