/** Chapter of the scenario "delivery" about a canary of the worker. A revision is stable, and none is being delivered. */
import { request } from 'undici';
import { METRICS } from '../../contract/metrics.js';
import { ApiClient } from '../api-client.js';
import { imageOf, NAME, NAMESPACE } from './scenario.js';
import { WebhookJobs } from './webhook-jobs.js';
import { WindowChapters } from './window-chapters.js';

const QUEUE = 'webhook-delivery';
const ARRIVAL_TIMEOUT_MS = 15_000;
/** Tolerance of the share of the jobs, in percentage points: a revision with half of the workers gets about half. */
const TOLERANCE = 20;

const analysisBy = (url: string) => ({
  ...{ interval: '2s', initialDelay: '2s', count: 2, inconclusiveLimit: 60 },
  prometheus: { url },
  metrics: [
    {
      name: 'failed-jobs',
      jobFailureRate: { queue: QUEUE, window: '5s', minJobs: 20 },
      compareWithStable: { absolute: 0.05 },
    },
  ],
});

export abstract class WorkerChapter extends WindowChapters {
  /** Settings that the chapter needs. They are part of a revision, so they are in the first one. */
  protected override sampleSpec(): object {
    if (!this.sandbox.redis) return {};
    return {
      redis: { secretRef: { name: 'pcf-api-secrets', key: 'redis-url' } },
      // The receiver is on this machine. Retries do not extend the scenario.
      config: { webhooks: { allow_private: true, retry_initial: '200ms', retry_max: '1s' } },
    };
  }

  /** `version` serves requests as it should, and fails its background jobs. */
  protected async failJobs(version: string): Promise<void> {
    const { prometheus, redis } = this.sandbox;
    if (!prometheus || !redis) {
      this.chapter('a version whose worker fails: skipped, because it needs prometheus and redis-server');
      return;
    }
    this.chapter(`a canary of the worker: ${version} serves requests, and fails its background jobs`);
    await this.patch({
      components: { worker: { enabled: true, replicas: 2, canary: { enabled: true } } },
      strategy: {
        type: 'Canary',
        canary: { steps: [{ weight: 20, hold: '60s' }], analysis: analysisBy(prometheus.url) },
      },
    });
    const stable = this.watch.now()?.status?.stableRevision ?? '';
    await this.workersReady(stable, 2, 100);
    await this.patch({ image: imageOf(version) });
    await this.watch.until('traffic', (api) => (api?.status?.traffic?.effectiveWeight ?? 0) > 0);
    const canary = this.watch.now()?.status?.updateRevision ?? '';
    await this.workersReady(canary, 1, 50);
    await this.printWorkers();

    const client = new ApiClient(this.sandbox, `${NAMESPACE}/${NAME}`, 'jobs');
    const jobs = new WebhookJobs(client);
    try {
      await jobs.start();
      await this.expectAbort(version, { stable, canary, prometheusUrl: prometheus.url });
      const { recorded, lost, repeated } = await jobs.finish(ARRIVAL_TIMEOUT_MS);
      this.line(`${recorded} jobs queued: ${lost} lost, ${repeated} delivered more than once`);
      this.expect(recorded > 0 && lost === 0, `${lost} of ${recorded} jobs were lost`);
    } finally {
      await jobs.close();
      await client.close();
    }
  }

  /** The analysis aborts the revision, and its jobs are processed by stable workers. */
  private async expectAbort(
    version: string,
    { stable, canary, prometheusUrl }: { stable: string; canary: string; prometheusUrl: string },
  ): Promise<void> {
    const startedAt = performance.now();
    await this.watch.until('aborted', (api) => api?.status?.failed?.revision === canary);
    this.printDuration('aborted', performance.now() - startedAt);
    const { reason, message = '' } = this.watch.now()?.status?.failed ?? {};
    this.line(`${reason}: ${message}`);
    this.expect(
      reason === 'AnalysisFailed' && message.startsWith('failed-jobs:'),
      `${version} was aborted by ${reason}: ${message}`,
    );
    await this.expectShare(prometheusUrl, canary, version);
    await this.workersReady(stable, 2, 100);
    await this.printWorkers();
  }

  private workersReady(revision: string, ready: number, share: number): Promise<void> {
    return this.watch.until(`${ready} workers of ${revision} are ready`, (api) => {
      const workers = api?.status?.revisions?.find(({ name }) => name === revision)?.workers;
      return workers?.readyReplicas === ready && workers.share === share;
    });
  }

  /** The revisions in the output of `kubectl pcf status`. */
  private async printWorkers(): Promise<void> {
    const lines = (await this.pcf('status', NAME)).split('\n');
    const head = lines.findIndex((line) => line.includes('WORKERS'));
    this.expect(head >= 0, 'kubectl pcf status does not have the workers');
    const rows = lines.slice(head, lines.indexOf('', head));
    this.line(rows.map((row) => row.trimEnd()).join('\n    '));
  }

  private async expectShare(url: string, canary: string, version: string): Promise<void> {
    const attempts = await attemptsByRevision(url);
    const total = Object.values(attempts).reduce((sum, count) => sum + count, 0);
    const share = (100 * (attempts[canary] ?? 0)) / Math.max(1, total);
    this.line(`${version} ran ${share.toFixed(1)} % of ${total} attempts at ${QUEUE} jobs`);
    this.expect(Math.abs(share - 50) <= TOLERANCE, `one of two workers ran ${share.toFixed(1)} %`);
  }
}

/** Attempts at jobs of the queue. The pods of a revision may be deleted. */
async function attemptsByRevision(url: string): Promise<Record<string, number>> {
  const selector = `${METRICS.jobCount}{${METRICS.queueLabel}="${QUEUE}"}`;
  const query = new URLSearchParams({ query: `sum by (pcf_dev_revision) (max_over_time(${selector}[1m]))` });
  const { body } = await request(`${url}/api/v1/query?${query}`);
  const { data } = (await body.json()) as {
    data: { result: { metric: { pcf_dev_revision: string }; value: [number, string] }[] };
  };
  return Object.fromEntries(
    data.result.map(({ metric, value }) => [metric.pcf_dev_revision, Number(value[1])]),
  );
}
