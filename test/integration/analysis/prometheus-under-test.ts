/** PrometheusProvider with a real Prometheus that scrapes revisions of an API. */

import type { Subject } from '../../../operator/analysis/analysis-model.js';
import { evaluate } from '../../../operator/analysis/bounds.js';
import { planMetrics } from '../../../operator/analysis/plan-metrics.js';
import { PrometheusProvider } from '../../../operator/analysis/providers/prometheus.js';
import { analysis as analysisSchema } from '../../../operator/api/v1alpha1/spec/analysis.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';
import { secretsFrom } from '../../support/fixtures/secrets.js';
import { startPrometheus, type TestPrometheus } from '../../support/servers/prometheus.js';
import { NAMESPACE, ScrapedApi, ScrapedRevision } from './scraped-api.js';

export class PrometheusUnderTest {
  readonly api = new ScrapedApi();
  prometheus!: TestPrometheus;
  /** Secrets that the provider can read. */
  readonly secrets: Record<string, Record<string, string>> = {};
  private revisions = 0;

  /** Returns whether Prometheus is installed. */
  async start(): Promise<boolean> {
    await this.api.start();
    const started = await startPrometheus({ target: this.api.address });
    if (started) this.prometheus = started;
    return started !== undefined;
  }

  async stop(): Promise<void> {
    await this.prometheus?.remove();
    await this.api.stop();
  }

  /** Exposes a new revision whose pods have executed `work` before their first scrape. */
  async revision(work: (scraped: ScrapedRevision) => void, startedAt?: number) {
    this.revisions += 1;
    const name = `api-${this.revisions}`;
    const scraped = new ScrapedRevision(name, startedAt);
    work(scraped);
    this.api.expose(name, scraped);
    const query = `pcf_api_build_info{pcf_dev_revision="${name}"}`;
    await eventually(`${name} is scraped`, async () => (await this.prometheus.values(query)).length > 0);
    return { name, scraped };
  }

  async measure(
    metric: Record<string, unknown>,
    canary: string,
    stable?: string,
    target = {},
    countFrom?: number,
  ) {
    const analysis = analysisSchema.parse({
      prometheus: { url: this.prometheus.url, ...target },
      metrics: [{ name: 'm', ...metric }],
    });
    const [planned] = planMetrics(analysis) as [ReturnType<typeof planMetrics>[0]];
    const subject: Subject = {
      ...{ namespace: NAMESPACE, name: 'api', image: 'pcf-api:2', weight: 10 },
      ...{ revision: canary, stableRevision: stable },
    };
    const at = Date.now();
    const due = { name: 'm', since: new Date(at).toISOString(), number: 0 };
    const provider = new PrometheusProvider(secretsFrom(this.secrets));
    const request = { api: pcfApi(), analysis, subject, metric: planned, due, at, countFrom };
    return evaluate(planned.spec, await provider.measure(request, new AbortController().signal));
  }
}

/** Registers the hooks of a suite, which is skipped without Prometheus. */
export function usePrometheus(): PrometheusUnderTest {
  const under = new PrometheusUnderTest();
  before(async function () {
    if (!(await under.start())) this.skip();
  });
  after(() => under.stop());
  return under;
}
