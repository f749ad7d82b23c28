/**
 * A Kubernetes API client for plain JSON objects. @kubernetes/client-node reads the kubeconfig and refreshes
 * credentials; undici sends the requests. The typed clients are not used, because they convert every object,
 * which is expensive for watches of thousands of objects.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { KubeConfig } from '@kubernetes/client-node';
import type { Dispatcher } from 'undici';
import { ApiConnection } from './connection.js';
import { type ExecResult, execOver } from './exec.js';
import { errorOf, isForbidden, isNotFound, isUnauthorized } from './kube-error.js';
import {
  collectionPath,
  type DeleteOptions,
  type KubeList,
  type KubeObject,
  type ListOptions,
  objectPath,
  type ResourceType,
  type WatchOptions,
} from './kube-types.js';
import type { TokenBucket } from './rate-limiter.js';

export {
  isConflict,
  isConnectionError,
  isForbidden,
  isGone,
  isInvalid,
  isNotFound,
  isServerError,
  isUnauthorized,
  KubeApiError,
} from './kube-error.js';
export {
  collectionPath,
  type DeleteOptions,
  type KubeList,
  type KubeObject,
  type ListOptions,
  type ManagedFields,
  type ObjectMeta,
  type ResourceType,
  type WatchOptions,
} from './kube-types.js';

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

/** A port of a Service, reached through the API server. */
export interface ServicePort {
  namespace: string;
  name: string;
  scheme: 'http' | 'https';
  port: string;
}

const PodType: ResourceType = { group: '', version: 'v1', kind: 'Pod', plural: 'pods', namespaced: true };

const THROTTLE_RETRIES = 5;
const MAX_RETRY_AFTER_MS = 30_000;

export class KubeClient {
  private readonly timeoutMs: number;
  private readonly connection: ApiConnection;

  constructor(
    kubeConfig: KubeConfig,
    private readonly options: KubeClientOptions = {},
  ) {
    const { timeoutMs = 30_000 } = options;
    this.timeoutMs = timeoutMs;
    this.connection = new ApiConnection(kubeConfig);
  }

  get(
    type: ResourceType,
    namespace: string | undefined,
    name: string,
    signal?: AbortSignal,
  ): Promise<KubeObject> {
    return this.json('GET', objectPath(type, namespace, name), { signal, target: { verb: 'get', type } });
  }

  list(
    type: ResourceType,
    { namespace, ...query }: ListOptions = {},
    signal?: AbortSignal,
  ): Promise<KubeList> {
    const target = { verb: 'list', type } as const;
    return this.json('GET', collectionPath(type, namespace), { query, signal, target });
  }

  create(
    type: ResourceType,
    object: KubeObject,
    { signal, ...query }: { fieldManager?: string; signal?: AbortSignal } = {},
  ): Promise<KubeObject> {
    const path = collectionPath(type, object.metadata.namespace);
    const target = { verb: 'create', type } as const;
    return this.json('POST', path, { body: object, contentType: 'application/json', query, signal, target });
  }

  /** PUT. Fails with a conflict if `metadata.resourceVersion` is not the newest. */
  replace(type: ResourceType, object: KubeObject, signal?: AbortSignal): Promise<KubeObject> {
    const path = objectPath(type, object.metadata.namespace, object.metadata.name);
    const target = { verb: 'update', type } as const;
    return this.json('PUT', path, { body: object, contentType: 'application/json', signal, target });
  }

  /** JSON merge patch. With `metadata.resourceVersion` in the patch it fails on a conflict. */
  patch(
    type: ResourceType,
    namespace: string | undefined,
    name: string,
    patch: unknown,
    { subresource, ...query }: { fieldManager?: string; subresource?: 'status' | 'scale' } = {},
  ): Promise<KubeObject> {
    const path = `${objectPath(type, namespace, name)}${subresource ? `/${subresource}` : ''}`;
    const target = { verb: 'patch', type, subresource } as const;
    return this.json('PATCH', path, {
      body: patch,
      contentType: 'application/merge-patch+json',
      query,
      target,
    });
  }

  /** Server-side apply. Returns the written object. */
  apply(
    type: ResourceType,
    object: KubeObject,
    query: { fieldManager: string; force?: boolean },
  ): Promise<KubeObject> {
    const path = objectPath(type, object.metadata.namespace, object.metadata.name);
    const target = { verb: 'apply', type } as const;
    return this.json('PATCH', path, {
      body: object,
      contentType: 'application/apply-patch+yaml',
      query,
      target,
    });
  }

  /** Server-side apply of the status subresource. */
  applyStatus(
    type: ResourceType,
    object: KubeObject,
    query: { fieldManager: string; force?: boolean },
  ): Promise<KubeObject> {
    const path = `${objectPath(type, object.metadata.namespace, object.metadata.name)}/status`;
    const target = { verb: 'apply', type, subresource: 'status' } as const;
    return this.json('PATCH', path, {
      body: object,
      contentType: 'application/apply-patch+yaml',
      query,
      target,
    });
  }

  /**
   * Returns the deleted object, or the current one while finalizers block the deletion; a Status object for
   * some kinds.
   */
  delete(
    type: ResourceType,
    namespace: string | undefined,
    name: string,
    { uid, resourceVersion, ...options }: DeleteOptions = {},
  ): Promise<KubeObject> {
    const preconditions = uid || resourceVersion ? { preconditions: { uid, resourceVersion } } : {};
    const body = { apiVersion: 'v1', kind: 'DeleteOptions', ...options, ...preconditions };
    const target = { verb: 'delete', type } as const;
    return this.json('DELETE', objectPath(type, namespace, name), {
      body,
      contentType: 'application/json',
      target,
    });
  }

  /** Whether the cluster serves the kind in this version. All authenticated users may read API discovery. */
  async serves({ group, version, plural }: ResourceType): Promise<boolean> {
    const path = group ? `/apis/${group}/${version}` : `/api/${version}`;
    try {
      const { resources } = await this.json<{ resources: { name: string }[] }>('GET', path, {});
      return resources.some(({ name }) => name === plural);
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }

  /** Opens the log of a container and returns a stream of its bytes, without a timeout: `signal` ends it. */
  async log(
    { namespace, name }: { namespace: string; name: string },
    query: { container: string; follow?: boolean; tailLines?: number },
    signal: AbortSignal,
  ): Promise<AsyncIterable<Uint8Array>> {
    return this.stream(`${objectPath(PodType, namespace, name)}/log`, query, signal);
  }

  /**
   * Runs a command in a container, without input. Requires the permission for `pods/exec`. A command that fails is
   * a result; an error is thrown if it could not be started.
   */
  async exec(
    { namespace, name }: { namespace: string; name: string },
    { container, command }: { container: string; command: readonly string[] },
    signal: AbortSignal,
  ): Promise<ExecResult> {
    const query = new URLSearchParams({ container, stdout: 'true', stderr: 'true' });
    for (const argument of command) query.append('command', argument);
    const path = `${objectPath(PodType, namespace, name)}/exec?${query}`;
    try {
      return await execOver(await this.connection.get(), path, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      // A WebSocket does not report why it is refused; the response to a plain request does.
      await this.json('GET', path, { signal }).catch((reason: unknown) => {
        if (isForbidden(reason) || isNotFound(reason)) throw reason;
      });
      throw error;
    }
  }

  /** GET of JSON from a Service through the API server. Requires the permission for `services/proxy`. */
  getFromService<T>(
    { namespace, name, scheme, port }: ServicePort,
    path: string,
    query: Record<string, string>,
  ): Promise<T> {
    const service = `/api/v1/namespaces/${namespace}/services/${scheme}:${name}:${port}/proxy`;
    return this.json<T>('GET', `${service}${path}`, { query });
  }

  /**
   * Opens a watch and returns its body: one JSON event per line, without a timeout: the reflector checks for
   * silence.
   */
  async watch(
    type: ResourceType,
    { namespace, ...query }: WatchOptions,
    signal: AbortSignal,
  ): Promise<AsyncIterable<Uint8Array>> {
    const path = collectionPath(type, namespace);
    return this.stream(path, { ...query, watch: true, allowWatchBookmarks: true }, signal);
  }

  private async stream(
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

  /** Closes the connections. */
  close(): Promise<void> {
    return this.connection.close();
  }

  private json<T>(method: Dispatcher.HttpMethod, path: string, options: RequestOptions): Promise<T> {
    const send = () => this.sendWithRetries<T>(method, path, options);
    const { inRequestSpan } = this.options;
    return inRequestSpan && options.target ? inRequestSpan(options.target, send) : send();
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

  private async refusal(response: Dispatcher.ResponseData) {
    const error = await errorOf(response);
    if (isUnauthorized(error)) this.connection.refresh();
    return error;
  }

  private async send(
    method: Dispatcher.HttpMethod,
    path: string,
    { query = {}, body, contentType, signal, stream = false }: RequestOptions & { stream?: boolean },
  ): Promise<Dispatcher.ResponseData> {
    const { agent, authorization, origin, basePath } = await this.connection.get();
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
