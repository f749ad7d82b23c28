/** Secrets and ConfigMaps that a pod references. */
import type { Logger } from 'pino';
import {
  isNotFound,
  type KubeClient,
  type KubeObject,
  type ResourceType,
} from '../../operator/runtime/kube-client.js';
import { ResourceCache } from '../../operator/runtime/resource-cache.js';

const core = (kind: string, plural: string): ResourceType => ({
  group: '',
  version: 'v1',
  kind,
  plural,
  namespaced: true,
});

/** A reference to a missing object, which can be created later. The message is the one of the kubelet. */
export class MissingReference extends Error {}

export type Values = Readonly<Record<string, Buffer>>;
export type ReferenceKind = 'secret' | 'configmap';

/** The Secrets and ConfigMaps of the cluster. Watched, as the kubelet does: running pods cause no requests. */
export class ReferenceSource {
  private readonly caches: Readonly<Record<ReferenceKind, ResourceCache>>;

  constructor(
    private readonly client: KubeClient,
    logger: Logger,
  ) {
    this.caches = {
      secret: new ResourceCache(core('Secret', 'secrets'), client, logger),
      configmap: new ResourceCache(core('ConfigMap', 'configmaps'), client, logger),
    };
  }

  get synced(): Promise<unknown> {
    return Promise.all(Object.values(this.caches).map(({ synced }) => synced));
  }

  run(signal: AbortSignal): Promise<unknown> {
    return Promise.all(Object.values(this.caches).map((cache) => cache.run(signal)));
  }

  /** Calls the listener with the namespace of each object that changed. */
  onChange(listener: (namespace: string) => void): void {
    for (const cache of Object.values(this.caches))
      cache.on(({ object }) => listener(object.metadata.namespace ?? 'default'));
  }

  /** Requests an object that the watch has not delivered yet. Throws if it does not exist. */
  async get(kind: ReferenceKind, namespace: string, name: string): Promise<KubeObject> {
    const cache = this.caches[kind];
    return cache.get(namespace, name) ?? this.client.get(cache.type, namespace, name);
  }
}

/** Reads Secrets and ConfigMaps of one namespace, each at most once. */
export class References {
  private readonly known = new Map<string, Promise<Values>>();

  constructor(
    private readonly source: ReferenceSource,
    private readonly namespace: string,
  ) {}

  /** Throws {@link MissingReference} if it does not exist, unless it is optional. */
  all(kind: ReferenceKind, name: string, optional = false): Promise<Values> {
    const key = `${kind}/${name}`;
    const values = this.known.get(key) ?? this.read(kind, name);
    this.known.set(key, values);
    return optional ? values.catch(emptyIfMissing) : values;
  }

  /** A single value; undefined if it is missing and optional. */
  async one(
    kind: ReferenceKind,
    { name, key, optional = false }: { name: string; key: string; optional?: boolean },
  ): Promise<string | undefined> {
    const value = (await this.all(kind, name, optional))[key];
    if (!value && !optional)
      throw new MissingReference(`couldn't find key ${key} in ${kind} ${this.namespace}/${name}`);
    return value?.toString('utf8');
  }

  private async read(kind: ReferenceKind, name: string): Promise<Values> {
    const object = await this.source.get(kind, this.namespace, name).catch((error: unknown) => {
      throw isNotFound(error) ? new MissingReference(`${kind} "${name}" not found`) : error;
    });
    const text = decode(object.data, kind === 'secret' ? 'base64' : 'utf8');
    return { ...text, ...decode(object.binaryData, 'base64') };
  }
}

function emptyIfMissing(error: unknown): Values {
  if (error instanceof MissingReference) return {};
  throw error;
}

function decode(data: unknown, encoding: BufferEncoding): Record<string, Buffer> {
  const entries = Object.entries((data ?? {}) as Record<string, string>);
  return Object.fromEntries(entries.map(([key, value]) => [key, Buffer.from(value, encoding)]));
}
