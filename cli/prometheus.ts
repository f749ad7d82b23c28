/** Reads a Prometheus server, directly or, if the URL names a Service of the cluster, through the API server. */
import { request } from 'undici';
import { z } from 'zod';
import type { PcfApi } from '../operator/api/v1alpha1/pcfapi.js';
import type { PrometheusTarget } from '../operator/api/v1alpha1/spec/analysis-sources.js';
import { isForbidden, type KubeClient, type ServicePort } from '../operator/runtime/kube-client.js';
import { CliError } from './output.js';

const TIMEOUT_MS = 10_000;

const vector = z.object({
  status: z.literal('success'),
  data: z.object({
    result: z.array(
      z.object({ metric: z.record(z.string(), z.string()), value: z.tuple([z.number(), z.string()]) }),
    ),
  }),
});

const ruleGroups = z.object({
  status: z.literal('success'),
  data: z.object({
    groups: z.array(
      z.object({
        rules: z.array(
          z.object({
            name: z.string(),
            health: z.string().optional(),
            lastError: z.string().optional(),
            alerts: z
              .array(z.object({ labels: z.record(z.string(), z.string()), state: z.string() }))
              .optional(),
          }),
        ),
      }),
    ),
  }),
});

export type AlertRule = z.infer<typeof ruleGroups>['data']['groups'][number]['rules'][number];

export interface Series {
  labels: Record<string, string>;
  value: number;
}

/** A server with the HTTP API of Prometheus or of Loki, whose query results have the same form. */
export class QueryServer {
  /** Of the messages: without a query, which may contain a token. */
  private readonly url: string;

  /** Throws a {@link CliError} for an invalid URL. */
  constructor(
    private readonly client: KubeClient,
    private readonly given: string,
  ) {
    const { origin, pathname } = checkedUrl(given);
    this.url = `${origin}${pathname.replace(/\/$/, '')}`;
  }

  /** The instant vector of a query. `path`: `/api/v1/query` of Prometheus, or that of Loki. */
  async query(query: string, path = '/api/v1/query'): Promise<Series[]> {
    const { data } = this.parsed(vector, await this.get(path, { query }));
    return data.result.map(({ metric, value: [, text] }) => ({ labels: metric, value: Number(text) }));
  }

  /** The value of a query with one series; undefined without data. */
  async value(query: string): Promise<number | undefined> {
    const [series] = await this.query(query);
    return series && Number.isFinite(series.value) ? series.value : undefined;
  }

  async alertRules(): Promise<AlertRule[]> {
    const { data } = this.parsed(ruleGroups, await this.get('/api/v1/rules', { type: 'alert' }));
    return data.groups.flatMap(({ rules }) => rules);
  }

  private parsed<T>(schema: z.ZodType<T>, answer: unknown): T {
    const { data, success } = schema.safeParse(answer);
    if (!success) throw new CliError(`${this.url} did not answer as Prometheus does`);
    return data;
  }

  /** The error of a missing permission is handled by the caller. */
  private readonly explained = (error: unknown): never => {
    if (isForbidden(error)) throw error;
    throw new CliError(`${this.url} is not reachable through the API server: ${(error as Error).message}`);
  };

  private async get(path: string, query: Record<string, string>): Promise<unknown> {
    const address = new URL(`${this.url}${path}?${new URLSearchParams(query)}`);
    const service = serviceOf(this.given);
    if (service) return this.client.getFromService(service, address.pathname, query).catch(this.explained);
    const { statusCode, text } = await this.getDirectly(address).catch((error: Error) => {
      throw new CliError(`${this.url} is unreachable from this machine: ${error.message}`);
    });
    if (statusCode !== 200) throw new CliError(`${this.url} returned status ${statusCode}`);
    try {
      return JSON.parse(text);
    } catch {
      throw new CliError(`${this.url} did not answer with JSON`);
    }
  }

  private async getDirectly(address: URL): Promise<{ statusCode: number; text: string }> {
    const limits = { headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS };
    const { statusCode, body } = await request(address, limits);
    return { statusCode, text: await body.text() };
  }
}

/** The messages do not contain the URL: it may contain a password. */
function checkedUrl(text: string): URL {
  const url = URL.parse(text);
  if (!url || !['http:', 'https:'].includes(url.protocol))
    throw new CliError('the URL of the server must have the form http://HOST:PORT');
  if (url.username || url.password)
    throw new CliError(
      'the URL of the server must not contain a user name or password; no credentials are sent',
    );
  return url;
}

/**
 * The Service that a URL of the cluster names: `name.namespace` with a port, unlike a host such as
 * example.com, or with `.svc` and the domain of the cluster.
 */
export function serviceOf(url: string): ServicePort | undefined {
  const { hostname, port, protocol } = new URL(url);
  const [name, namespace, svc] = hostname.split('.');
  const isService = svc === 'svc' || (namespace !== undefined && svc === undefined && hasPort(url));
  if (!name || !namespace || !isService) return undefined;
  const scheme = protocol === 'https:' ? 'https' : 'http';
  return { namespace, name, scheme, port: port || (scheme === 'https' ? '443' : '80') };
}

/** The parsed URL has no port if it is the default one. */
function hasPort(url: string): boolean {
  return /^https?:\/\/[^/?#]*:\d+(?:[/?#]|$)/i.test(url);
}

/** The URL of the option, or of the analysis in the spec. */
export function prometheusUrl(api: PcfApi, given: string | undefined): string | undefined {
  return given ?? analysisPrometheus(api)?.url;
}

/** The server of the analysis in the spec. */
export function analysisPrometheus({ spec }: PcfApi): PrometheusTarget | undefined {
  const { canary, blueGreen } = spec.strategy ?? {};
  return canary?.analysis?.prometheus ?? blueGreen?.analysis?.prometheus;
}
