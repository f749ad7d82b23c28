/** Revisions of the API as Prometheus scrapes them: the API's own metrics, with the labels that a ServiceMonitor adds. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Gauge } from 'prom-client';
import { type JobMetrics, jobMetrics } from '../../../api-server/jobs/job-metrics.js';
import { createMetrics, type Metrics } from '../../../api-server/observability/metrics/metrics.js';
import { METRICS } from '../../../contract/metrics.js';

export const NAMESPACE = 'platform';

/** Records operations in the API's own metrics. */
export class ScrapedRevision {
  readonly metrics: Metrics;
  private readonly jobMetrics: JobMetrics;

  /** `startedAt`: start of its process, in milliseconds since the epoch. */
  constructor(revision: string, startedAt = Date.now()) {
    const nothing = { databaseReady: () => true, redisReady: () => true };
    const sources = {
      ...{ version: '1.0.0', revision, ...nothing },
      pool: () => ({ total: 0, idle: 0, waiting: 0, max: 0 }),
    };
    this.metrics = createMetrics(sources);
    this.jobMetrics = jobMetrics(this.metrics.registry);
    const { registry } = this.metrics;
    registry.removeSingleMetric(METRICS.processStart);
    const start = { name: METRICS.processStart, help: 'Start of the process.', registers: [registry] };
    new Gauge(start).set(startedAt / 1000);
  }

  jobs(count: number, queue = 'webhook-delivery', { failed = false, seconds = 0.2 } = {}): void {
    const labels = { queue, outcome: failed ? ('error' as const) : ('ok' as const) };
    for (let i = 0; i < count; i++) this.jobMetrics.jobDone(labels, seconds);
  }

  requests(count: number, operation = 'Deployments', { failed = false, seconds = 0.02 } = {}): void {
    const labels = { operation, type: 'query', outcome: failed ? 'error' : 'ok' };
    for (let i = 0; i < count; i++) this.metrics.graphqlOperation(labels, seconds);
  }
}

/** All revisions at one address. The next scrape includes a new revision. */
export class ScrapedApi {
  private readonly revisions = new Map<string, ScrapedRevision>();
  private readonly server: Server;

  constructor() {
    this.server = createServer((_request, response) => {
      void this.exposition().then((text) => {
        response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4' }).end(text);
      });
    });
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  get address(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  expose(revision: string, scraped: ScrapedRevision, pod = 'pod-1'): void {
    const labels = { namespace: NAMESPACE, pcf_dev_revision: revision, pod };
    scraped.metrics.registry.setDefaultLabels(labels);
    this.revisions.set(`${revision}/${pod}`, scraped);
  }

  private async exposition(): Promise<string> {
    const texts = [...this.revisions.values()].map(({ metrics }) => metrics.registry.metrics());
    return (await Promise.all(texts)).join('\n');
  }
}
