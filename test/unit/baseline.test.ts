import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { InvalidArgumentError } from 'commander';
import fc from 'fast-check';
import { type Missing, measure, missingFigures } from '../../cli/baseline/measure.js';
import {
  BASELINE_ANNOTATION,
  type BaselineEntry,
  compareWithBaseline,
  describeFigures,
  readBaseline,
  withEntry,
} from '../../cli/baseline/record.js';
import { networkFindings } from '../../cli/doctor/pod-checks.js';
import { alertFinding, targetFinding } from '../../cli/doctor/prometheus-checks.js';
import type { Finding } from '../../cli/doctor/types.js';
import { CliError } from '../../cli/output.js';
import { QueryServer, serviceOf } from '../../cli/prometheus.js';
import { wholeSeconds } from '../../cli/seconds.js';
import type { PcfApi } from '../../operator/api/v1alpha1/pcfapi.js';
import type { KubeClient } from '../../operator/runtime/kube-client.js';
import { pcfApi } from '../support/fixtures/fixtures.js';
import { propertyRuns } from '../support/runner/property-runs.js';
import { HttpEndpoint } from '../support/servers/http-endpoint.js';

const good = { requestsPerSecond: 100, errorShare: 0.001, p50: 0.01, p99: 0.1 };
const entry = (revision: string): BaselineEntry => ({
  ...good,
  ...{ revision, image: 'registry.example.com/pcf-api:1.0.0' },
  ...{ recordedAt: '2026-11-30T03:00:00.000Z', windowSeconds: 3600 },
});

describe('performance baseline', () => {
  const compare = (now: object) => compareWithBaseline({ ...good, ...now }, good);

  it('fails for more errors and for a slower p99, and names both values', () => {
    assert.deepEqual(compare({ errorShare: 0.05, p99: 0.3 }), {
      outcome: 'fail',
      differences: ['errors 5 % instead of 0.1 %', 'p99 300 ms instead of 100 ms'],
    });
  });

  it('warns about a slower p50 and about too little load', () => {
    assert.deepEqual(compare({ p50: 0.04, requestsPerSecond: 10 }), {
      outcome: 'warn',
      differences: ['p50 40 ms instead of 10 ms', '10 requests/s instead of 100 requests/s'],
    });
  });

  it('tolerates small differences, and figures that are better', () => {
    const better = { errorShare: 0, p50: 0.001, p99: 0.01, requestsPerSecond: 1000 };
    const noise = { errorShare: 0.01, p50: 0.028, p99: 0.145 };
    for (const now of [good, better, noise]) assert.equal(compare(now).outcome, 'ok', describeFigures(good));
  });

  it('retains the last ten revisions, with one entry per revision', () => {
    const names = fc.array(
      fc.integer({ min: 1, max: 14 }).map((n) => `api-${n}`),
      { maxLength: 40 },
    );
    fc.assert(
      fc.property(names, (revisions) => {
        let api = pcfApi();
        for (const revision of revisions) {
          const text = withEntry(readBaseline(api), entry(revision));
          api = { ...api, metadata: { ...api.metadata, annotations: { [BASELINE_ANNOTATION]: text } } };
        }
        const newestFirst = [...new Set(revisions.toReversed())].slice(0, 10);
        assert.deepEqual(
          readBaseline(api).map(({ revision }) => revision),
          newestFirst.toReversed(),
        );
      }),
      { numRuns: propertyRuns(100) },
    );
  });

  it('ignores an annotation that is not a baseline', () => {
    for (const text of ['', '{', '{"a":1}', '[{"revision":"api-1"}]']) {
      const api = pcfApi();
      const metadata = { ...api.metadata, annotations: { [BASELINE_ANNOTATION]: text } };
      assert.deepEqual(readBaseline({ ...api, metadata }), []);
    }
  });
});

describe('kubectl pcf doctor in Prometheus', () => {
  const outcomeOf = ({ outcome, message }: Finding) => `${outcome}: ${message}`;
  const up = (pod: string, value: number) => ({ labels: { pod }, value });

  it('reports targets that are missing or down', () => {
    const finding = (...series: ReturnType<typeof up>[]) =>
      outcomeOf(targetFinding(pcfApi(), series, ['a', 'b']));
    assert.equal(finding(), 'fail: Prometheus scrapes no pod of this PcfApi');
    assert.equal(finding(up('a', 1), up('b', 0)), "fail: Prometheus can't scrape b");
    assert.equal(finding(up('a', 1), up('b', 1)), 'ok: Prometheus scrapes all 2 pods');
    assert.equal(finding(up('a', 1)), 'fail: Prometheus has no target for b');
    // A pod of a component or of another revision.
    assert.equal(finding(up('a', 1), up('b', 1), up('worker', 1)), 'ok: Prometheus scrapes all 2 pods');
  });

  it('reports alert rules that are missing, broken or firing for this PcfApi', () => {
    const finding = (...rules: Parameters<typeof alertFinding>[1][number][]) =>
      outcomeOf(alertFinding(pcfApi(), rules));
    const loaded = { name: 'PcfApiFailed', health: 'ok' };
    const firing = (name: string) => ({
      ...loaded,
      alerts: [{ state: 'firing', labels: { namespace: 'platform', name } }],
    });
    assert.equal(finding({ name: 'Watchdog' }), 'fail: Prometheus has not loaded the alert PcfApiFailed');
    assert.equal(finding(loaded), 'ok: 1 are loaded, none fires');
    assert.equal(finding(firing('other')), 'ok: 1 are loaded, none fires');
    assert.equal(finding(firing('api')), 'warn: PcfApiFailed fires');
    // The rules of the API aggregate by these labels.
    const ofApi = (app_kubernetes_io_instance: string) => ({
      ...{ name: 'PcfApiDatabaseUnavailable', health: 'ok' },
      alerts: [{ state: 'firing', labels: { namespace: 'platform', app_kubernetes_io_instance } }],
    });
    assert.equal(finding(loaded, ofApi('other')), 'ok: 2 are loaded, none fires');
    assert.equal(finding(loaded, ofApi('api')), 'warn: PcfApiDatabaseUnavailable fires');
    const rules = readFileSync('deploy/alerts/pcf.rules.yaml', 'utf8').split('- alert: ');
    for (const rule of rules.filter((text) => text.startsWith('PcfApi')))
      assert.match(rule, /by \(namespace, (name|app_kubernetes_io_instance)[,)]/, 'labels that doctor reads');
    const broken = { name: 'PcfApiCrash', health: 'err', lastError: 'unknown function' };
    assert.equal(finding(loaded, broken), 'fail: PcfApiCrash: unknown function');
  });

  it('reaches a Service of the cluster through the API server, and other hosts directly', () => {
    const of = (url: string) => Object.values(serviceOf(url) ?? {}).join(' ');
    assert.equal(
      of('http://prometheus-operated.monitoring:9090'),
      'monitoring prometheus-operated http 9090',
    );
    assert.equal(of('http://prom.obs:80'), 'obs prom http 80');
    assert.equal(of('https://prom.obs.svc.cluster.local'), 'obs prom https 443');
    for (const url of [
      'http://127.0.0.1:9090',
      'http://localhost:9090',
      'https://prometheus.example.com',
      'https://example.com',
    ])
      assert.equal(serviceOf(url), undefined, url);
  });
});

describe('QueryServer', () => {
  const server = (url: string) => new QueryServer({} as KubeClient, url);

  it('rejects an invalid URL and one with a password, and does not print it', () => {
    for (const url of ['foo', 'prometheus:9090', 'https://me:s3cret@prometheus.example.com', 'me:s3cret@foo'])
      assert.throws(
        () => server(url),
        (error) => error instanceof CliError && !error.message.includes('s3cret'),
        url,
      );
  });

  it('reports a response that is not JSON, or not that of Prometheus, with the URL', async () => {
    const endpoint = await HttpEndpoint.start();
    try {
      endpoint.answer = { body: '<html>' };
      const asked = `${endpoint.url}/prometheus/?token=s3cret`;
      const fails = (problem: string) => new CliError(`${endpoint.url}/prometheus ${problem}`);
      await assert.rejects(server(asked).query('up'), fails('did not answer with JSON'));
      endpoint.answer = { body: '{}' };
      await assert.rejects(server(asked).query('up'), fails('did not answer as Prometheus does'));
      endpoint.answer = { status: 503 };
      await assert.rejects(server(asked).query('up'), fails('returned status 503'));
    } finally {
      await endpoint.stop();
    }
  });
});

describe('measure', () => {
  const measured = async (values: Record<string, number | undefined>, age: number) => {
    const queries: string[] = [];
    const value = async (query: string) => {
      queries.push(query);
      const kind = ['0.5,', '0.99,', 'errors'].find((each) => query.includes(each)) ?? 'count';
      return values[kind];
    };
    const promotedAt = '2026-11-30T03:00:00.000Z';
    const api = { ...pcfApi(), status: { delivery: { promotedAt } } } as PcfApi;
    const now = Date.parse(promotedAt) + age * 1_000;
    const result = await measure({ value } as unknown as QueryServer, api, 'api-1', 3_600, now);
    return { result, queries };
  };
  const latencies = { '0.5,': 0.01, '0.99,': 0.1 };

  it('measures since the promotion, in at most the window', async () => {
    const young = await measured({ count: 6_000, errors: 60, ...latencies }, 600);
    const figures = { requestsPerSecond: 10, errorShare: 0.01, p50: 0.01, p99: 0.1 };
    assert.deepEqual(young.result, { ...figures, windowSeconds: 600 });
    assert.ok(young.queries.every((query) => query.includes('[600s')));
    const old = await measured({ count: 36_000, errors: 360, ...latencies }, 86_400);
    assert.deepEqual(old.result, { ...figures, windowSeconds: 3_600 });
  });

  it('distinguishes too few requests from missing latencies', async () => {
    const message = async (values: Record<string, number | undefined>) =>
      missingFigures('api-1', (await measured(values, 86_400)).result as Missing);
    assert.match(await message({ count: 20 }), /has served 20 GraphQL requests in 60m, fewer than 100/);
    assert.match(
      await message({ count: 5_000 }),
      /5000 GraphQL requests in 60m, but Prometheus has no latency/,
    );
  });

  it('requires a window of whole seconds', () => {
    assert.equal(wholeSeconds('90'), 90);
    for (const text of ['90.5', '0', 'x']) assert.throws(() => wholeSeconds(text), InvalidArgumentError);
  });
});

describe('kubectl pcf doctor --from-pod', () => {
  const exec = (stdout: string, exitCode: number | undefined, stderr = '') =>
    [networkFindings(pcfApi(), 'api-1', { stdout, stderr, exitCode })]
      .flat()
      .map(({ check, outcome, message }) => `${outcome} ${check}: ${message}`);

  it('has one finding per server of the settings', () => {
    const connections = [
      { name: 'database', target: 'db.internal:5432', ok: true, durationMs: 12 },
      { name: 'redis', target: 'redis:6379', ok: false, durationMs: 5000, error: 'connect ETIMEDOUT' },
    ];
    assert.deepEqual(exec(JSON.stringify({ connections }), 75), [
      'ok network: database: db.internal:5432 is reachable from api-1 in 12 ms',
      'fail network: redis: redis:6379 is not usable from api-1: connect ETIMEDOUT',
    ]);
  });

  it('skips an image without the command, and reports one that fails', () => {
    assert.deepEqual(exec('', 64, "error: unknown command 'connections'"), [
      'skipped network: the image of api-1 has no command connections',
    ]);
    assert.deepEqual(exec('', 78, 'invalid settings: database.url\n'), [
      'fail network: the check in api-1 failed: invalid settings: database.url',
    ]);
  });
});
