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
import { eventually } from '../../support/cluster/pcf-api.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';
import { secretsFrom } from '../../support/fixtures/secrets.js';
import { startPrometheus, type TestPrometheus } from '../../support/servers/prometheus.js';
import { NAMESPACE, ScrapedApi, ScrapedRevision } from './scraped-api.js';

const KEY = `${NAMESPACE}/api`;
const logger = pino({ level: 'silent' });

/** In-memory state of an operator process, which a restart loses. */
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

describe('analysis of a delivery during an outage of Prometheus', () => {
  const scraped = new ScrapedApi();
  const revision = new ScrapedRevision('api-new');
  let prometheus: TestPrometheus;
  let operator: OperatorProcess;
  let status: AnalysisStatus | undefined;
  let verdicts: Verdict[];

  before(async function () {
    revision.requests(50);
    scraped.expose('api-new', revision);
    await scraped.start();
    const started = await startPrometheus({ target: scraped.address });
    if (!started) return this.skip();
    prometheus = started;
    verdicts = [];
    operator = new OperatorProcess(reconcile);
  });
  after(async () => {
    await operator?.stop();
    await prometheus?.remove();
    await scraped.stop();
  });

  /** Replaces the reconciler: stores the status in a variable. */
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
    verdicts.push(status.verdict);
    return look.requeueAfterMs;
  }

  const until = (verdict: Verdict) => eventually(verdict, () => status?.verdict === verdict);

  it('passes while measurements succeed', async () => {
    await until('Passed');
    assert.match(status!.message, /^success: 3 of 3 measurements; last result: 1$/);
  });

  it('pauses immediately when Prometheus is unavailable, and reports the start of the outage', async () => {
    const goneAt = Date.now();
    await prometheus.stop();
    await until('Unavailable');
    const [, since] = /measurements fail since (\S+): Prometheus at http.*refused/.exec(status!.message)!;
    assert.ok(Math.abs(Date.parse(since!) - goneAt) < 5_000, since);
    const tries = status!.metrics[0]!.errors;
    verdicts.length = 0;
    await eventually('three more attempts', () => status!.metrics[0]!.errors >= tries + 3);
    assert.deepEqual([...new Set(verdicts)], ['Unavailable']);
    assert.ok(status!.message.includes(since!), 'the reported start is the first failed measurement');
  });

  it('continues the counts after a restart of the operator', async () => {
    await operator.stop();
    const counted = status!.metrics[0]!.measurements;
    operator = new OperatorProcess(reconcile);
    await eventually('measurements continue', () => status!.metrics[0]!.measurements > counted);
    assert.equal(status!.verdict, 'Unavailable');
  });

  it('resumes without manual action once Prometheus is available again', async () => {
    await prometheus.start();
    await until('Passed');
  });

  it('fails permanently when the error rate rises, and stops measuring', async () => {
    revision.requests(500, 'Deployments', { failed: true });
    await until('Failed');
    assert.match(status!.message, /^success: 1 measurement failed; last result: 0\.\d+ is less than 0\.9$/);
    revision.requests(50_000);
    const { measurements } = status!.metrics[0]!;
    operator.controller.queue.add(KEY);
    verdicts.length = 0;
    await eventually('the key was reconciled again', () => verdicts.length > 0);
    assert.deepEqual([status!.verdict, status!.metrics[0]!.measurements], ['Failed', measurements]);
  });
});
