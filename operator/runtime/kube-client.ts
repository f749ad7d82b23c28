/**
 * A Kubernetes API client for plain JSON objects. @kubernetes/client-node reads the
 * kubeconfig and refreshes credentials; undici carries the requests. The typed
 * clients are left out: they convert every object, which a watch of thousands pays for.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { KubeConfig } from '@kubernetes/client-node';
import { Agent, type Dispatcher } from 'undici';

export interface ManagedFields {
  manager?: string;
  operation?: string;
  subresource?: string;
  time?: string;
  fieldsV1?: Record<string, unknown>;
}

export interface ObjectMeta {
  name: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  finalizers?: string[];
  deletionTimestamp?: string;
  creationTimestamp?: string;
  ownerReferences?: { uid: string; name: string; kind: string; controller?: boolean }[];
  managedFields?: ManagedFields[];
}

/** Any Kubernetes object. */
export interface KubeObject {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
  [field: string]: unknown;
}

/** A kind of object and where its API is. `group` is empty for the core API. */
export interface ResourceType {
  group: string;
  version: string;
  kind: string;
  plural: string;
  namespaced: boolean;
}

export interface ListOptions {
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
  resourceVersion?: string;
  limit?: number;
  continue?: string;
}

export interface DeleteOptions {
  /** Delete only the object with this uid, not a namesake that came after it. */
  uid?: string;
  propagationPolicy?: 'Background' | 'Foreground' | 'Orphan';
  gracePeriodSeconds?: number;
}

export interface KubeList {
  metadata: { resourceVersion: string; continue?: string };
  items: KubeObject[];
}

/** An answer of the API server other than success: `reason` and `message` are those of its Status object. */
export class KubeApiError extends Error {
  override readonly name = 'KubeApiError';
  constructor(
    readonly status: number,
    readonly reason: string,
    message: string,
    readonly retryAfterMs?: number,
  ) {
    super(message);
  }
}

const hasStatus =
  (status: number) =>
  (error: unknown): error is KubeApiError =>
    error instanceof KubeApiError && error.status === status;
export const isNotFound = hasStatus(404);
export const isConflict = hasStatus(409);
export const isGone = hasStatus(410);
export const isInvalid = hasStatus(422);
export const isForbidden = hasStatus(403);

export interface KubeClientOptions {
  /** Longest wait for an answer, in milliseconds. */
  timeoutMs?: number;
  /** Told of each finished request. */
  onRequest?: (method: string, status: number | 'error', durationMs: number) => void;
  /** Throws when this process may not write (it is not the leader, or no longer). */
  guardWrite?: () => void;
}

interface RequestOptions {
  query?: Record<string, string | number | boolean | undefined>;
  body?: unknown;
  contentType?: string;
  signal?: AbortSignal;
}

const THROTTLE_RETRIES = 5;
const MAX_RETRY_AFTER_MS = 30_000;
/** Certificates and tokens may be files that are rotated under us. */
const CREDENTIALS_TTL_MS = 60_000;

export class KubeClient {
  private readonly timeoutMs: number;
  private connection?: { agent: Agent; authorization?: string; at: number; fingerprint: string };

  constructor(
    private readonly kubeConfig: KubeConfig,
    private readonly options: KubeClientOptions = {},
  ) {
    this.timeoutMs = options.timeoutMs ?? 30_000;
  }

  get(
    type: ResourceType,
    namespace: string | undefined,
    name: string,
    signal?: AbortSignal,
  ): Promise<KubeObject> {
    return this.json('GET', objectPath(type, namespace, name), { signal });
  }

  list(
    type: ResourceType,
    { namespace, ...query }: ListOptions = {},
    signal?: AbortSignal,
  ): Promise<KubeList> {
    return this.json('GET', collectionPath(type, namespace), { query, signal });
  }

  create(
    type: ResourceType,
    object: KubeObject,
    { signal, ...query }: { fieldManager?: string; signal?: AbortSignal } = {},
  ): Promise<KubeObject> {
    const path = collectionPath(type, object.metadata.namespace);
    return this.write('POST', path, { body: object, contentType: 'application/json', query, signal });
  }

  /** PUT: fails with a conflict when `metadata.resourceVersion` is not the newest. */
  replace(type: ResourceType, object: KubeObject, signal?: AbortSignal): Promise<KubeObject> {
    const path = objectPath(type, object.metadata.namespace, object.metadata.name);
    return this.write('PUT', path, { body: object, contentType: 'application/json', signal });
  }

  /** JSON merge patch. Give `metadata.resourceVersion` in the patch to fail on a conflict. */
  patch(
    type: ResourceType,
    namespace: string | undefined,
    name: string,
    patch: unknown,
    { subresource, ...query }: { fieldManager?: string; subresource?: 'status' } = {},
  ): Promise<KubeObject> {
    const path = `${objectPath(type, namespace, name)}${subresource ? `/${subresource}` : ''}`;
    return this.write('PATCH', path, { body: patch, contentType: 'application/merge-patch+json', query });
  }

  /** Server-side apply. Returns the object as it is now. */
  apply(
    type: ResourceType,
    object: KubeObject,
    options: { fieldManager: string; force?: boolean },
  ): Promise<KubeObject> {
    const path = objectPath(type, object.metadata.namespace, object.metadata.name);
    return this.write('PATCH', path, {
      body: object,
      contentType: 'application/apply-patch+yaml',
      query: options,
    });
  }

  /** Server-side apply of the status subresource. */
  applyStatus(
    type: ResourceType,
    object: KubeObject,
    options: { fieldManager: string; force?: boolean },
  ): Promise<KubeObject> {
    const path = `${objectPath(type, object.metadata.namespace, object.metadata.name)}/status`;
    return this.write('PATCH', path, {
      body: object,
      contentType: 'application/apply-patch+yaml',
      query: options,
    });
  }

  delete(
    type: ResourceType,
    namespace: string | undefined,
    name: string,
    options: DeleteOptions = {},
  ): Promise<KubeObject> {
    const { uid, ...rest } = options;
    const body = {
      apiVersion: 'v1',
      kind: 'DeleteOptions',
      ...rest,
      ...(uid ? { preconditions: { uid } } : {}),
    };
    return this.write('DELETE', objectPath(type, namespace, name), { body, contentType: 'application/json' });
  }

  /** Opens a watch and returns its body: one JSON event a line. No timeout of ours: the reflector guards it. */
  async watch(
    type: ResourceType,
    options: ListOptions & { timeoutSeconds: number; sendInitialEvents?: boolean },
    signal: AbortSignal,
  ): Promise<AsyncIterable<Uint8Array>> {
    const { namespace, ...query } = options;
    const response = await this.send('GET', collectionPath(type, namespace), {
      query: { ...query, watch: true, allowWatchBookmarks: true },
      signal,
      stream: true,
    });
    if (response.statusCode >= 400) throw await errorOf(response);
    return response.body;
  }

  /** Closes the connections. */
  async close(): Promise<void> {
    await this.connection?.agent.destroy();
  }

  private async write(
    method: Dispatcher.HttpMethod,
    path: string,
    options: RequestOptions,
  ): Promise<KubeObject> {
    this.options.guardWrite?.();
    return this.json(method, path, options);
  }

  /** Sends, and sends again while the API server asks for patience (429, or 503 with Retry-After). */
  private async json<T>(
    method: Dispatcher.HttpMethod,
    path: string,
    options: RequestOptions = {},
  ): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      const response = await this.send(method, path, options);
      if (response.statusCode < 400) return (await response.body.json()) as T;
      const error = await errorOf(response);
      if (error.retryAfterMs === undefined || attempt >= THROTTLE_RETRIES) throw error;
      await sleep(Math.min(error.retryAfterMs, MAX_RETRY_AFTER_MS) * (1 + Math.random() / 10), undefined, {
        signal: options.signal,
      });
      if (method !== 'GET') this.options.guardWrite?.();
    }
  }

  private async send(
    method: Dispatcher.HttpMethod,
    path: string,
    { query = {}, body, contentType, signal, stream = false }: RequestOptions & { stream?: boolean },
  ): Promise<Dispatcher.ResponseData> {
    const cluster = this.kubeConfig.getCurrentCluster();
    if (!cluster) throw new Error('the kubeconfig names no current cluster; set KUBECONFIG or a context');
    const { agent, authorization } = await this.connect(cluster.skipTLSVerify ?? false);
    const startedAt = performance.now();
    const done = (status: number | 'error') =>
      this.options.onRequest?.(method, status, performance.now() - startedAt);
    try {
      const response = await agent.request({
        origin: new URL(cluster.server).origin,
        path: `${new URL(cluster.server).pathname.replace(/\/$/, '')}${path}${queryString(query)}`,
        method,
        headers: {
          accept: 'application/json',
          ...(contentType ? { 'content-type': contentType } : {}),
          ...(authorization ? { authorization } : {}),
        },
        body: body === undefined ? undefined : JSON.stringify(body),
        signal,
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

  /** The agent and token, made anew when the credentials changed. */
  private async connect(skipTlsVerify: boolean): Promise<{ agent: Agent; authorization?: string }> {
    const now = performance.now();
    if (this.connection && now - this.connection.at < CREDENTIALS_TTL_MS) return this.connection;
    const tls: {
      headers?: Record<string, string>;
      ca?: string | Buffer;
      cert?: string | Buffer;
      key?: string | Buffer;
      auth?: string;
    } = {};
    await this.kubeConfig.applyToHTTPSOptions(tls);
    const { ca, cert, key } = tls;
    const authorization =
      tls.headers?.Authorization ??
      (tls.auth ? `Basic ${Buffer.from(tls.auth).toString('base64')}` : undefined);
    const fingerprint = [ca, cert, key].map((part) => part?.toString() ?? '').join('\n');
    const agent =
      this.connection?.fingerprint === fingerprint
        ? this.connection.agent
        : new Agent({
            connect: { ca, cert, key, rejectUnauthorized: !skipTlsVerify, timeout: 10_000, keepAlive: true },
            keepAliveTimeout: 30_000,
            connections: null,
            allowH2: false,
          });
    this.connection = { agent, authorization, at: now, fingerprint };
    return this.connection;
  }
}

export function collectionPath({ group, version, plural }: ResourceType, namespace?: string): string {
  const base = group ? `/apis/${group}/${version}` : `/api/${version}`;
  return namespace ? `${base}/namespaces/${encodeURIComponent(namespace)}/${plural}` : `${base}/${plural}`;
}

function objectPath(type: ResourceType, namespace: string | undefined, name: string): string {
  return `${collectionPath(type, type.namespaced ? namespace : undefined)}/${encodeURIComponent(name)}`;
}

function queryString(query: Record<string, string | number | boolean | undefined>): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined);
  if (given.length === 0) return '';
  return `?${new URLSearchParams(given.map(([key, value]): [string, string] => [key, String(value)]))}`;
}

async function errorOf(response: Dispatcher.ResponseData): Promise<KubeApiError> {
  const text = await response.body.text();
  const seconds = Number(response.headers['retry-after']);
  const mayRetry = response.statusCode === 429 || response.statusCode === 503;
  const retryAfterMs = mayRetry && Number.isFinite(seconds) ? seconds * 1000 : undefined;
  const { reason = 'Unknown', message = text } = parseStatus(text);
  return new KubeApiError(response.statusCode, reason, message, retryAfterMs);
}

function parseStatus(text: string): { reason?: string; message?: string } {
  try {
    return JSON.parse(text) as { reason?: string; message?: string };
  } catch {
    return {};
  }
}
