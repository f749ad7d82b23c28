/** Objects of one kind in memory, by `namespace/name` and by index. */
import type { KubeObject } from './kube-types.js';

/** Keys of an object per index. */
export type Indexers = Record<string, (object: KubeObject) => string[]>;

export function keyOf({ metadata }: { metadata: { namespace?: string; name: string } }): string {
  return metadata.namespace ? `${metadata.namespace}/${metadata.name}` : metadata.name;
}

/** The parts of the key of a namespaced object. */
export function partsOf(key: string): [namespace: string, name: string] {
  return key.split('/') as [string, string];
}

/**
 * Resource versions of one kind are comparable as numbers (KEP-5504, Kubernetes 1.35; in earlier versions
 * they are etcd revisions).
 */
export function versionOf(object: { metadata: { resourceVersion?: string } }): number {
  return Number(object.metadata.resourceVersion ?? 0);
}

export class Store {
  private readonly objects = new Map<string, KubeObject>();
  private readonly indexes = new Map<string, Map<string, Set<string>>>();

  constructor(private readonly indexers: Indexers = {}) {
    for (const name of Object.keys(indexers)) this.indexes.set(name, new Map());
  }

  get(key: string): KubeObject | undefined {
    return this.objects.get(key);
  }

  get size(): number {
    return this.objects.size;
  }

  keys(): string[] {
    return [...this.objects.keys()];
  }

  values(): KubeObject[] {
    return [...this.objects.values()];
  }

  byIndex(index: string, value: string): KubeObject[] {
    const keys = this.indexes.get(index)?.get(value) ?? [];
    return [...keys].flatMap((key) => this.objects.get(key) ?? []);
  }

  /** Stores the object and returns the previous one. */
  put(object: KubeObject): KubeObject | undefined {
    const key = keyOf(object);
    const old = this.objects.get(key);
    this.objects.set(key, object);
    for (const [name, values] of Object.entries(this.indexers)) {
      const index = this.indexes.get(name)!;
      const fresh = values(object);
      for (const value of fresh) index.set(value, (index.get(value) ?? new Set()).add(key));
      // An unchanged value keeps its position: the order of a result must not change with each update.
      const gone = old ? values(old).filter((value) => !fresh.includes(value)) : [];
      this.unindex(key, name, gone);
    }
    return old;
  }

  remove(key: string): KubeObject | undefined {
    const old = this.objects.get(key);
    if (!old) return undefined;
    for (const [name, values] of Object.entries(this.indexers)) this.unindex(key, name, values(old));
    this.objects.delete(key);
    return old;
  }

  private unindex(key: string, name: string, values: Iterable<string>): void {
    const index = this.indexes.get(name)!;
    for (const value of values) {
      const keys = index.get(value);
      keys?.delete(key);
      if (keys?.size === 0) index.delete(value);
    }
  }
}
