/**
 * Requests to the Kubernetes API server: client-side rate limit, retries, credentials, and the guard of writes.
 * @kubernetes/client-node reads the kubeconfig and refreshes credentials; undici sends the requests.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { KubeConfig } from '@kubernetes/client-node';
import type { Dispatcher } from 'undici';
import { ApiConnection, type Connection } from './connection.js';
import { errorOf, isUnauthorized, type KubeApiError } from './kube-error.js';
import type { ResourceType } from './kube-types.js';
import type { TokenBucket } from './rate-limiter.js';

export interface KubeClientOptions {
  /** User agent in audit logs. */
  userAgent?: string;
  /** Request timeout in milliseconds. */
  timeoutMs?: number;
  /**
   * Client-side rate limit of requests except watches; clients can share it. Default: none, because the API
   * server has priority and fairness.
   */
  limiter?: TokenBucket;
  /** Called with the time in milliseconds that a request waited for the limiter. */
  onThrottle?: (waitedMs: number) => void;
  /** Called after each request. */
  onRequest?: (method: string, status: number | 'error', durationMs: number) => void;
  /**
   * Throws if this process may not write, because it is not the leader. Called immediately before a write is
   * sent.
   */
  guardWrite?: () => void;
  /** Aborts writes in progress when it fires, for example when the Lease is lost. */
  writeSignal?: () => AbortSignal | undefined;
  /** Runs a request in a span, with its retries and its wait for the limiter. */
  inRequestSpan?: <T>(request: RequestTarget, send: () => Promise<T>) => Promise<T>;
}

/** What a request does, in the terms of RBAC. */
export interface RequestTarget {
  verb: 'get' | 'list' | 'create' | 'update' | 'patch' | 'apply' | 'delete';
  type: ResourceType;
  subresource?: string;
}

interface RequestOptions {
  query?: Record<string, string | number | boolean | undefined>;
  body?: unknown;
  contentType?: string;
  signal?: AbortSignal;
  target?: RequestTarget;
}

const THROTTLE_RETRIES = 5;
const MAX_RETRY_AFTER_MS = 30_000;

export class KubeRequests {
  private readonly timeoutMs: number;
  private readonly api: ApiConnection;

  constructor(
    kubeConfig: KubeConfig,
    private readonly options: KubeClientOptions,
  ) {
    const { timeoutMs = 30_000 } = options;
    this.timeoutMs = timeoutMs;
    this.api = new ApiConnection(kubeConfig);
  }

  /** Returns the JSON of the response. Throws a {@link KubeApiError} for an error response. */
  json<T>(method: Dispatcher.HttpMethod, path: string, options: RequestOptions): Promise<T> {
    const send = () => this.sendWithRetries<T>(method, path, options);
    const { inRequestSpan } = this.options;
    return inRequestSpan && options.target ? inRequestSpan(options.target, send) : send();
  }

  /** GET of a body without an end, so without a timeout once it has started: `signal` ends it. */
  async stream(
    path: string,
    query: RequestOptions['query'],
    signal: AbortSignal,
  ): Promise<AsyncIterable<Uint8Array>> {
    const response = await this.send('GET', path, { query, signal, stream: true });
    if (response.statusCode < 400) return response.body;
    const late = setTimeout(
      () => response.body.destroy(new Error('the error response did not end')),
      this.timeoutMs,
    );
    throw await this.refusal(response).finally(() => clearTimeout(late));
  }

  /** For protocols other than HTTP requests. */
  connection(): Promise<Connection> {
    return this.api.get();
  }

  /** Closes the connections. */
  close(): Promise<void> {
    return this.api.close();
  }

  /** Sends a request, and retries while the response has Retry-After. */
  private async sendWithRetries<T>(
    method: Dispatcher.HttpMethod,
    path: string,
    options: RequestOptions,
  ): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      const waitMs = this.options.limiter?.reserve() ?? 0;
      if (waitMs > 0) {
        this.options.onThrottle?.(waitMs);
        await sleep(waitMs, undefined, { signal: options.signal });
      }
      const response = await this.send(method, path, options);
      if (response.statusCode < 400) return (await response.body.json()) as T;
      const error = await this.refusal(response);
      if (error.retryAfterMs === undefined) throw error;
      // Also before the last attempt: the caller may retry immediately.
      const pauseMs = Math.min(error.retryAfterMs, MAX_RETRY_AFTER_MS) * (1 + Math.random() / 10);
      await sleep(pauseMs, undefined, { signal: options.signal });
      if (attempt >= THROTTLE_RETRIES) throw error;
    }
  }

  private async refusal(response: Dispatcher.ResponseData): Promise<KubeApiError> {
    const error = await errorOf(response);
    if (isUnauthorized(error)) this.api.refresh();
    return error;
  }

  private async send(
    method: Dispatcher.HttpMethod,
    path: string,
    { query = {}, body, contentType, signal, stream = false }: RequestOptions & { stream?: boolean },
  ): Promise<Dispatcher.ResponseData> {
    const { agent, authorization, origin, basePath } = await this.api.get();
    const isWrite = method !== 'GET';
    // Last check before the write, without an await after it: a process that was paused must detect the lost
    // Lease.
    if (isWrite) this.options.guardWrite?.();
    const startedAt = performance.now();
    const done = (status: number | 'error') =>
      this.options.onRequest?.(method, status, performance.now() - startedAt);
    try {
      const response = await agent.request({
        origin,
        path: `${basePath}${path}${queryString(query)}`,
        method,
        headers: {
          accept: 'application/json',
          'user-agent': this.options.userAgent ?? 'pcf',
          ...(contentType ? { 'content-type': contentType } : {}),
          ...(authorization ? { authorization } : {}),
        },
        body: body === undefined ? undefined : JSON.stringify(body),
        signal: eitherOf(signal, isWrite ? this.options.writeSignal?.() : undefined),
        headersTimeout: this.timeoutMs,
        bodyTimeout: stream ? 0 : this.timeoutMs,
      });
      done(response.statusCode);
      return response;
    } catch (error) {
      done('error');
      throw error;
    }
  }
}

function eitherOf(one: AbortSignal | undefined, other: AbortSignal | undefined): AbortSignal | undefined {
  return one && other ? AbortSignal.any([one, other]) : (one ?? other);
}

function queryString(query: Record<string, string | number | boolean | undefined>): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined);
  if (given.length === 0) return '';
  return `?${new URLSearchParams(given.map(([key, value]): [string, string] => [key, String(value)]))}`;
}
