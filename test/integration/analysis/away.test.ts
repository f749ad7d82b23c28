import assert from 'node:assert/strict';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { analysisMetrics } from '../../../operator/analysis/analysis-metrics.js';
import { Analyst } from '../../../operator/analysis/analyst.js';
import { PrometheusProvider } from '../../../operator/analysis/providers/prometheus.js';
import { AnalysisScheduler } from '../../../operator/analysis/scheduler.js';
import { analysis as analysisSchema } from '../../../operator/api/v1alpha1/spec/analysis.js';
import type { AnalysisStatus, Verdict } from '../../../operator/api/v1alpha1/status/analysis.js';
import { Controller } from '../../../operator/runtime/controller.js';
import { pcfApi } from '../../support/fixtures.js';
import { eventually } from '../../support/pcf-api.js';
import { startPrometheus, type TestPrometheus } from '../../support/prometheus.js';
import { secretsFrom } from '../../support/secrets.js';
import { NAMESPACE, ScrapedApi, ScrapedRevision } from './scraped-api.js';

const KEY = `${NAMESPACE}/api`;
const logger = pino({ level: 'silent' });

/** What an operator process has, and loses when it is killed. */
class OperatorProcess {
  readonly scheduler: AnalysisScheduler;
  readonly controller: Controller;
  private readonly analyst: Analyst;

  constructor(reconcile: (analyst: Analyst) => number | undefined) {
    this.scheduler = new AnalysisScheduler({
      providers: [new PrometheusProvider(secretsFrom({}))],
      concurrency: { Prometheus: 4, Webhook: 4, Job: 4 },
      onMeasured: (key) => this.controller.queue.add(key),
      metrics: analysisMetrics(new Registry()),
      logger,
    });
    this.analyst = new Analyst(this.scheduler);
    this.controller = new Controller({
      name: 'test',
      workers: 1,
      reconcile: async () => ({ requeueAfterMs: reconcile(this.analyst) }),
      logger,
      registry: new Registry(),
    });
    this.controller.start();
    this.controller.queue.add(KEY);
  }

  async stop(): Promise<void> {
    this.scheduler.stop();
    await this.controller.stop();
  }
}

describe('the analysis of a delivery, with a real Prometheus that goes away', function () {
  this.timeout(60_000);
  const scraped = new ScrapedApi();
  const revision = new ScrapedRevision('api-new');
  let prometheus: TestPrometheus;
  let operator: OperatorProcess;
  let status: AnalysisStatus | undefined;
  let seen: Verdict[];

  before(async function () {
    this.timeout(240_000); // it may have to be installed
    revision.requests(50);
    scraped.expose('api-new', revision);
    await scraped.start();
    const started = await startPrometheus({ target: scraped.address });
    if (!started) return this.skip();
    prometheus = started;
    seen = [];
    operator = new OperatorProcess(reconcile);
  });
  after(async () => {
    await operator?.stop();
    await prometheus?.remove();
    await scraped.stop();
  });

  /** What the reconciler does, with the status in a variable. */
  function reconcile(analyst: Analyst): number | undefined {
    const analysis = analysisSchema.parse({
      ...{ interval: '100ms', initialDelay: '0s', count: 3, inconclusiveLimit: 2 },
      prometheus: { url: prometheus.url, timeout: '2s' },
      metrics: [{ name: 'success', successRate: {}, min: 0.9 }],
    });
    const subject = {
      ...{ namespace: NAMESPACE, name: 'api', revision: 'api-new', stableRevision: 'api-old' },
      ...{ image: 'pcf-api:2', weight: 10 },
    };
    const look = analyst.look(KEY, { api: pcfApi(), analysis, subject, before: status }, Date.now());
    status = JSON.parse(JSON.stringify(look.status)) as AnalysisStatus;
    seen.push(status.verdict);
    return look.requeueAfterMs;
  }

  const until = (verdict: Verdict) => eventually(verdict, () => status?.verdict === verdict);

  it('passes while all is well', async () => {
    await until('Passed');
    assert.match(status!.message, /^success: 3 of 3 measurements; last result: 1$/);
  });

  it('pauses at once when Prometheus is away, and says since when', async () => {
    const goneAt = Date.now();
    await prometheus.stop();
    await until('Unavailable');
    const [, since] = /measurements fail since (\S+): Prometheus at http.*refused/.exec(status!.message)!;
    assert.ok(Math.abs(Date.parse(since!) - goneAt) < 5_000, since);
    const tries = status!.metrics[0]!.errors;
    seen.length = 0;
    await eventually('three more tries', () => status!.metrics[0]!.errors >= tries + 3);
    assert.deepEqual([...new Set(seen)], ['Unavailable']);
    assert.ok(status!.message.includes(since!), 'since the first of them');
  });

  it('a restart of the operator repeats no count and loses none', async () => {
    await operator.stop();
    const counted = status!.metrics[0]!.measurements;
    operator = new OperatorProcess(reconcile);
    await eventually('it continues', () => status!.metrics[0]!.measurements > counted);
    assert.equal(status!.verdict, 'Unavailable');
  });

  it('continues by itself once Prometheus is back', async () => {
    await prometheus.start();
    await until('Passed');
  });

  it('fails when errors come, for good, and measures no more', async () => {
    revision.requests(500, 'Deployments', { failed: true });
    await until('Failed');
    assert.match(status!.message, /^success: 1 measurement failed; last result: 0\.\d+ is less than 0\.9$/);
    revision.requests(50_000);
    const { measurements } = status!.metrics[0]!;
    operator.controller.queue.add(KEY);
    seen.length = 0;
    await eventually('it was looked at again', () => seen.length > 0);
    assert.deepEqual([status!.verdict, status!.metrics[0]!.measurements], ['Failed', measurements]);
  });
});
