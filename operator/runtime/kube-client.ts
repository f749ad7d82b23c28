/**
 * A Kubernetes API client for plain JSON objects: one method per verb. The typed clients of
 * @kubernetes/client-node are not used, because they convert every object, which is expensive for watches of
 * thousands of objects.
 */
import type { KubeConfig } from '@kubernetes/client-node';
import { type ExecResult, execOver } from './exec.js';
import { isForbidden, isNotFound } from './kube-error.js';
import { type KubeClientOptions, KubeRequests } from './kube-requests.js';
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
export type { KubeClientOptions, RequestTarget } from './kube-requests.js';
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

/** A port of a Service, reached through the API server. */
export interface ServicePort {
  namespace: string;
  name: string;
  scheme: 'http' | 'https';
  port: string;
}

const PodType: ResourceType = { group: '', version: 'v1', kind: 'Pod', plural: 'pods', namespaced: true };

export class KubeClient {
  private readonly requests: KubeRequests;

  constructor(kubeConfig: KubeConfig, options: KubeClientOptions = {}) {
    this.requests = new KubeRequests(kubeConfig, options);
  }

  get(
    type: ResourceType,
    namespace: string | undefined,
    name: string,
    signal?: AbortSignal,
  ): Promise<KubeObject> {
    return this.requests.json('GET', objectPath(type, namespace, name), {
      signal,
      target: { verb: 'get', type },
    });
  }

  list(
    type: ResourceType,
    { namespace, ...query }: ListOptions = {},
    signal?: AbortSignal,
  ): Promise<KubeList> {
    const target = { verb: 'list', type } as const;
    return this.requests.json('GET', collectionPath(type, namespace), { query, signal, target });
  }

  create(
    type: ResourceType,
    object: KubeObject,
    { signal, ...query }: { fieldManager?: string; signal?: AbortSignal } = {},
  ): Promise<KubeObject> {
    const path = collectionPath(type, object.metadata.namespace);
    const target = { verb: 'create', type } as const;
    return this.requests.json('POST', path, {
      body: object,
      contentType: 'application/json',
      query,
      signal,
      target,
    });
  }

  /** PUT. Fails with a conflict if `metadata.resourceVersion` is not the newest. */
  replace(type: ResourceType, object: KubeObject, signal?: AbortSignal): Promise<KubeObject> {
    const path = objectPath(type, object.metadata.namespace, object.metadata.name);
    const target = { verb: 'update', type } as const;
    return this.requests.json('PUT', path, { body: object, contentType: 'application/json', signal, target });
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
    return this.requests.json('PATCH', path, {
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
    return this.requests.json('PATCH', path, {
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
    return this.requests.json('PATCH', path, {
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
    return this.requests.json('DELETE', objectPath(type, namespace, name), {
      body,
      contentType: 'application/json',
      target,
    });
  }

  /** Whether the cluster serves the kind in this version. All authenticated users may read API discovery. */
  async serves({ group, version, plural }: ResourceType): Promise<boolean> {
    const path = group ? `/apis/${group}/${version}` : `/api/${version}`;
    try {
      const { resources } = await this.requests.json<{ resources: { name: string }[] }>('GET', path, {});
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
    return this.requests.stream(`${objectPath(PodType, namespace, name)}/log`, query, signal);
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
      return await execOver(await this.requests.connection(), path, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      // A WebSocket does not report why it is refused; the response to a plain request does.
      await this.requests.json('GET', path, { signal }).catch((reason: unknown) => {
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
    return this.requests.json<T>('GET', `${service}${path}`, { query });
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
    return this.requests.stream(path, { ...query, watch: true, allowWatchBookmarks: true }, signal);
  }

  /** Closes the connections. */
  close(): Promise<void> {
    return this.requests.close();
  }
}
