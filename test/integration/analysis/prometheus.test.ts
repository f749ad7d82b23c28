import assert from 'node:assert/strict';
import { generate } from 'selfsigned';
import { measure as figuresOf } from '../../../cli/baseline/measure.js';
import type { Figures } from '../../../cli/baseline/record.js';
import { QueryServer } from '../../../cli/prometheus.js';
import { METRICS } from '../../../contract/metrics.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';
import { startPrometheus, type TestPrometheus } from '../../support/servers/prometheus.js';
import { usePrometheus } from './prometheus-under-test.js';

describe('PrometheusProvider with a real Prometheus', () => {
  const under = usePrometheus();

  it('has the figures of a performance baseline', async () => {
    const { name, scraped } = await under.revision((it) => it.requests(1));
    scraped.requests(190, 'Deployments', { seconds: 0.02 });
    scraped.requests(10, 'Deployments', { seconds: 0.6, failed: true });
    const server = new QueryServer(undefined as never, under.prometheus.url);
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
      const { name } = await under.revision((it) => {
        it.requests(45);
        it.requests(5, 'Deployments', { failed: true });
      });
      assert.deepEqual(await under.measure({ successRate: {}, min: 0.95 }, name), {
        outcome: 'Failure',
        value: '0.9',
        detail: '0.9 is less than 0.95',
      });
      assert.equal((await under.measure({ successRate: {}, min: 0.9 }, name)).outcome, 'Success');
    });

    it('is 1 and not "no data" when no request failed', async () => {
      const { name } = await under.revision((it) => it.requests(20));
      assert.deepEqual(await under.measure({ successRate: {}, min: 1 }, name), {
        outcome: 'Success',
        value: '1',
        detail: '1',
      });
    });

    it('is inconclusive below minRequests, without requests, and for an unknown revision', async () => {
      const few = await under.revision((it) => it.requests(9));
      const none = await under.revision(() => {});
      const words = 'no data, or fewer than 10 requests in 2m';
      for (const name of [few.name, none.name, 'api-unknown']) {
        assert.deepEqual(await under.measure({ successRate: {}, min: 0.9 }, name), {
          outcome: 'Inconclusive',
          detail: words,
        });
      }
      assert.equal(
        (await under.measure({ successRate: { minRequests: 9 }, min: 0.9 }, few.name)).outcome,
        'Success',
      );
    });

    it('with perOperation, fails on the worst operation although the total passes', async () => {
      const { name } = await under.revision((it) => {
        it.requests(1_000);
        it.requests(10, 'Incidents');
        it.requests(10, 'Incidents', { failed: true });
        it.requests(3, 'Rare', { failed: true });
      });
      assert.equal((await under.measure({ successRate: {}, min: 0.98 }, name)).outcome, 'Success');
      assert.deepEqual(await under.measure({ successRate: { perOperation: true }, min: 0.98 }, name), {
        outcome: 'Failure',
        value: '0.5',
        detail: 'Incidents 0.5 is less than 0.98',
      });
      const one = { successRate: { operation: 'Deployments' }, min: 0.98 };
      assert.equal((await under.measure(one, name)).detail, '1');
    });

    it('ignores requests from before the window', async () => {
      const { name, scraped } = await under.revision((it) =>
        it.requests(50, 'Deployments', { failed: true }),
      );
      const metric = { successRate: { window: '2s', minRequests: 1 }, min: 0.99 };
      assert.equal((await under.measure(metric, name)).value, '0');
      await eventually('the failures are older than the window, and successful requests follow', async () => {
        scraped.requests(5);
        return (await under.measure(metric, name)).outcome === 'Success';
      });
      assert.equal((await under.measure({ successRate: {}, min: 0.99 }, name)).outcome, 'Failure');
    });

    it('compares with the stable revision over the same window', async () => {
      const stable = await under.revision((it) => {
        it.requests(95);
        it.requests(5, 'Deployments', { failed: true });
      });
      const canary = await under.revision((it) => {
        it.requests(90);
        it.requests(10, 'Deployments', { failed: true });
      });
      const compared = (absolute: number) =>
        under.measure({ successRate: {}, compareWithStable: { absolute } }, canary.name, stable.name);
      assert.equal((await compared(0.05)).outcome, 'Success');
      assert.deepEqual(await compared(0.04), {
        outcome: 'Failure',
        value: '0.9',
        stableValue: '0.95',
        detail: '0.9, stable has 0.95: worse by 0.05, tolerance 0.04',
      });
      const alone = await under.measure(
        { successRate: {}, compareWithStable: { absolute: 1 } },
        canary.name,
        'api-gone',
      );
      assert.equal(alone.outcome, 'Inconclusive');
    });
  });

  describe('jobs of the workers', () => {
    it('fail the canary by the rate of failed attempts, compared with the stable revision', async () => {
      const stable = await under.revision((it) => {
        it.jobs(99);
        it.jobs(1, 'webhook-delivery', { failed: true });
      });
      const canary = await under.revision((it) => {
        it.jobs(40);
        it.jobs(10, 'webhook-delivery', { failed: true });
        it.jobs(50, 'retention');
      });
      const metric = { jobFailureRate: {}, compareWithStable: { absolute: 0.02 } };
      const measured = await under.measure(metric, canary.name, stable.name);
      assert.deepEqual([measured.outcome, measured.value, measured.stableValue], ['Failure', '0.1', '0.01']);
      assert.deepEqual(await under.measure({ jobFailureRate: { perQueue: true }, max: 0.15 }, canary.name), {
        outcome: 'Failure',
        value: '0.2',
        detail: 'webhook-delivery 0.2 is more than 0.15',
      });
      const one = { jobFailureRate: { queue: 'retention' }, max: 0 };
      assert.equal((await under.measure(one, canary.name)).outcome, 'Success');
    });

    it('are measured by their duration, and are inconclusive below minJobs', async () => {
      const { name } = await under.revision((it) => {
        it.jobs(90, 'webhook-delivery', { seconds: 0.02 });
        it.jobs(10, 'webhook-delivery', { seconds: 4 });
      });
      const slow = await under.measure({ jobDuration: { percentile: 99 }, max: 1 }, name);
      assert.equal(slow.outcome, 'Failure');
      assert.ok(Number(slow.value) > 1 && Number(slow.value) <= 5, slow.value);
      assert.equal(
        (await under.measure({ jobDuration: { percentile: 50 }, max: 1 }, name)).outcome,
        'Success',
      );
      const few = { jobDuration: { minJobs: 101, queue: 'webhook-delivery' }, max: 1 };
      assert.deepEqual(await under.measure(few, name), {
        outcome: 'Inconclusive',
        detail: 'no data, or fewer than 101 attempts at jobs of webhook-delivery in 2m',
      });
    });
  });

  describe('latency', () => {
    it('reads the percentile from the histogram, and per operation with perOperation', async () => {
      const { name } = await under.revision((it) => {
        it.requests(980);
        it.requests(20, 'Report', { seconds: 0.9 });
      });
      const p50 = await under.measure({ latency: { percentile: 50 }, max: 0.025 }, name);
      assert.equal(p50.outcome, 'Success');
      const p99 = await under.measure({ latency: {}, max: 0.2 }, name);
      assert.equal(p99.outcome, 'Failure');
      assert.ok(Number(p99.value) > 0.5 && Number(p99.value) <= 1, p99.value);
      const worst = await under.measure({ latency: { perOperation: true, percentile: 50 }, max: 0.2 }, name);
      assert.match(worst.detail!, /^Report 0\.\d+ is more than 0\.2$/);
    });

    it('compares with the stable revision', async () => {
      const stable = await under.revision((it) => it.requests(100, 'A', { seconds: 0.02 }));
      const canary = await under.revision((it) => it.requests(100, 'A', { seconds: 0.2 }));
      const metric = { latency: { percentile: 90 }, compareWithStable: { relative: 50 } };
      assert.equal((await under.measure(metric, canary.name, stable.name)).outcome, 'Failure');
      assert.equal((await under.measure(metric, stable.name, canary.name)).outcome, 'Success');
    });
  });

  describe('burn rate', () => {
    it('is the share of errors relative to the error budget, in both windows', async () => {
      const { name } = await under.revision((it) => {
        it.requests(980);
        it.requests(20, 'Deployments', { failed: true });
      });
      const burned = (objective: number) => under.measure({ burnRate: { objective } }, name);
      const fast = await burned(0.999);
      assert.deepEqual([fast.outcome, fast.value], ['Failure', '20']);
      assert.equal((await burned(0.99)).value, '2');
      assert.deepEqual(await under.measure({ burnRate: { objective: 0.99 } }, 'api-unknown'), {
        outcome: 'Inconclusive',
        detail: 'no data, or fewer than 10 requests in 5m',
      });
    });
  });

  describe('query', () => {
    const count = `sum(${METRICS.operationCount}{namespace="{{namespace}}",pcf_dev_revision="{{revision}}"})`;

    it('is evaluated for the revision, and for both revisions with compareWithStable', async () => {
      const stable = await under.revision((it) => it.requests(40));
      const canary = await under.revision((it) => it.requests(30));
      assert.equal((await under.measure({ query: count, min: 30, max: 30 }, canary.name)).detail, '30');
      const better = { better: 'Higher', relative: 20 };
      const compared = await under.measure(
        { query: count, compareWithStable: better },
        canary.name,
        stable.name,
      );
      assert.equal(compared.detail, '30, stable has 40: worse by 10, tolerance 8');
    });

    it('may return a scalar or several series', async () => {
      assert.equal((await under.measure({ query: 'scalar(vector(4))', max: 5 }, 'any')).value, '4');
      const { name } = await under.revision((it) => {
        it.requests(4, 'A');
        it.requests(7, 'B');
      });
      const query = `sum by (operation, pcf_dev_revision) (${METRICS.operationCount}{pcf_dev_revision="{{revision}}"})`;
      assert.equal((await under.measure({ query, max: 5 }, name)).detail, 'B 7 is more than 5');
    });

    it('is inconclusive when it returns NaN or no series', async () => {
      assert.match((await under.measure({ query: 'vector(0) / 0', max: 5 }, 'any')).detail!, /is NaN/);
      assert.deepEqual(await under.measure({ query: 'missing_series', max: 5 }, 'any'), {
        outcome: 'Inconclusive',
        detail: 'no data',
      });
      assert.equal(
        (await under.measure({ query: 'vector(1) / 0', max: 5 }, 'any')).detail,
        'Infinity is more than 5',
      );
    });

    it('rejects an invalid query with the error message of Prometheus', async () => {
      await assert.rejects(
        under.measure({ query: 'sum(', max: 5 }, 'any'),
        /Prometheus at http:.*parse error: unclosed left/,
      );
      await assert.rejects(
        under.measure({ query: 'up[1m]', max: 5 }, 'any'),
        /returns a matrix; it must return an instant/,
      );
      await assert.rejects(
        under.measure({ query: 'missing{a="{{pod}}"}', max: 5 }, 'any'),
        /the query contains the unknown placeholder \{\{pod\}\}; known are \{\{namespace\}\}/,
      );
    });

    it('escapes quotes in a revision name', async () => {
      const query = 'count(pcf_api_build_info{pcf_dev_revision="{{revision}}"}) or vector(0)';
      assert.equal(
        (await under.measure({ query, max: 0 }, 'x"} or pcf_api_build_info{a!="')).outcome,
        'Success',
      );
      await under.revision((it) => it.requests(1));
      assert.equal(
        (
          await under.measure(
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
      under.secrets.ca = { 'ca.crt': cert };
      under.secrets.login = { username: 'operator', password: PASSWORD };
      under.secrets.wrong = { username: 'operator', password: 'guess' };
      const options = { cert, key, user: 'operator', passwordHash: HASH };
      secure = (await startPrometheus({ target: under.api.address, secure: options }))!;
    });
    after(() => secure?.remove());

    const measureWith = (login: string, tls: object | undefined) =>
      under.measure({ query: 'vector(1)', max: 1 }, 'any', undefined, {
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
