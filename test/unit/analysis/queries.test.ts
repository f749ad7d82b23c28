import assert from 'node:assert/strict';
import fc from 'fast-check';
import { createMetrics } from '../../../api-server/observability/metrics/metrics.js';
import { METRICS } from '../../../contract/metrics.js';
import { builtInQuery } from '../../../operator/analysis/built-in.js';
import { quoted, substitute } from '../../../operator/analysis/placeholders.js';
import { plannedMetric, subject } from './metrics-under-test.js';

const labels = { namespaceLabel: 'namespace', revisionLabel: 'pcf_dev_revision' };

describe('substitute', () => {
  it('replaces placeholders with names', () => {
    const query = 'a{n="{{namespace}}",m="{{name}}",r="{{revision}}"} / a{r="{{stableRevision}}"}';
    assert.equal(substitute(query, subject), 'a{n="platform",m="api",r="api-new"} / a{r="api-old"}');
  });

  it('escapes names so that they cannot terminate the string', () => {
    const names = { ...subject, name: 'a"} or b{x="\\', revision: "it's `so`\nnew" };
    assert.equal(
      substitute('a{m="{{name}}",r="{{revision}}"}', names),
      String.raw`a{m="a\x22} or b{x=\x22\\",r="it\x27s \x60so\x60\nnew"}`,
    );
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (name) => {
        const text = quoted(name);
        assert.ok(!/["'`\n]/.test(text.slice(1, -1)), text);
        assert.doesNotMatch(text.slice(1, -1), /(^|[^\\])(\\\\)*\\$/);
      }),
    );
  });

  it('rejects unknown placeholders, and stableRevision before the first promotion', () => {
    assert.throws(
      () => substitute('a{r="{{pod}}"}', subject),
      /contains the unknown placeholder \{\{pod\}\}; known are \{\{namespace\}\}/,
    );
    assert.throws(() => substitute('{{constructor}}', subject), /placeholder \{\{constructor\}\}/);
    const first = { ...subject, stableRevision: undefined };
    assert.throws(() => substitute('{{stableRevision}}', first), /no stable revision yet/);
    assert.equal(substitute('a{r="{{revision}}"}', first), 'a{r="api-new"}');
  });
});

describe('builtInQuery', () => {
  it('selects the revision, the operation and the window of the spec', () => {
    const { spec } = plannedMetric({
      query: undefined,
      max: 0.5,
      latency: { percentile: 95, operation: 'Deployments', window: '1m30s' },
    });
    const query = builtInQuery(spec, labels, subject)!;
    assert.match(query, /^\(histogram_quantile\(0\.95, /);
    assert.match(
      query,
      /\{namespace="platform",pcf_dev_revision="api-new",operation="Deployments"\}\[90000ms\]/,
    );
    assert.match(query, />= 10\)$/);
  });

  it('selects the revision, the queue and the outcome of jobs', () => {
    const given = { jobFailureRate: { queue: 'webhook-delivery', minJobs: 20 }, max: 0.01 };
    const { spec } = plannedMetric({ query: undefined, ...given });
    const query = builtInQuery(spec, labels, subject)!;
    const series = `${METRICS.jobCount}{namespace="platform",pcf_dev_revision="api-new",queue="webhook-delivery"`;
    assert.ok(
      query.includes(`${series}}[120000ms]`) && query.includes(`${series},outcome="error"}[120000ms]`),
    );
    assert.match(query, />= 20\)$/);
    const duration = plannedMetric({ query: undefined, jobDuration: { perQueue: true }, max: 1 });
    assert.match(
      builtInQuery(duration.spec, labels, subject)!,
      /^\(histogram_quantile\(0\.99, sum by \(queue, le\)/,
    );
  });

  it('returns undefined for other metrics', () => {
    assert.equal(builtInQuery(plannedMetric().spec, labels, subject), undefined);
  });

  it('reads metrics that the API exposes', async () => {
    const sources = {
      ...{ version: '1', revision: 'api-new', databaseReady: () => true, redisReady: () => true },
      pool: () => ({ total: 0, idle: 0, waiting: 0, max: 0 }),
    };
    const metrics = createMetrics(sources);
    metrics.graphqlOperation({ operation: 'Deployments', type: 'query', outcome: 'error' }, 0.3);
    const text = await metrics.registry.metrics();
    for (const name of [METRICS.operationBuckets, METRICS.operationCount, METRICS.operationErrors]) {
      assert.match(text, new RegExp(`^${name}\\{.*${METRICS.operationLabel}="Deployments".*\\} \\d`, 'm'));
    }
  });
});
