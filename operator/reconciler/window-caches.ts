/** PcfWindows, and the labels of namespaces by which they select PcfApis. */
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { PcfWindow } from '../api/v1alpha1/pcfwindow.js';
import { NamespaceKind, PcfWindowKind } from '../resources/kinds.js';
import type { CacheSet } from '../runtime/cache-set.js';
import { canonicalJson } from '../runtime/canonical-json.js';
import type { KubeObject } from '../runtime/kube-types.js';
import { matchesLabels } from '../runtime/label-selector.js';
import type { CacheEvent, ResourceCache } from '../runtime/resource-cache.js';

/** Both kinds are cluster-scoped. */
export class WindowCaches {
  readonly windows: ResourceCache;
  readonly namespaces: ResourceCache;

  constructor(set: CacheSet) {
    this.windows = set.resource(PcfWindowKind);
    this.namespaces = set.resource(NamespaceKind, { transform: labelsOnly });
  }

  /** The PcfWindows that select a PcfApi, by name. */
  selecting(api: PcfApi): PcfWindow[] {
    return this.windows
      .list()
      .map((object) => object as unknown as PcfWindow)
      .filter((window) => this.selects(window, api))
      .sort((a, b) => a.metadata.name.localeCompare(b.metadata.name));
  }

  /** Those of the PcfApis that a changed PcfWindow selects, or selected before. */
  selected({ object, old }: CacheEvent, apis: readonly KubeObject[]): KubeObject[] {
    const windows = [object, ...(old ? [old] : [])] as unknown as PcfWindow[];
    return apis.filter((api) => windows.some((window) => this.selects(window, api as unknown as PcfApi)));
  }

  /** Those of the PcfApis that a changed namespace can assign to other PcfWindows. */
  relabelled({ object, old }: CacheEvent, apis: readonly KubeObject[]): KubeObject[] {
    const isUnchanged = canonicalJson(object.metadata.labels) === canonicalJson(old?.metadata.labels);
    if (isUnchanged || this.windows.list().length === 0) return [];
    return apis.filter(({ metadata }) => metadata.namespace === object.metadata.name);
  }

  private selects({ spec }: PcfWindow, { metadata }: PcfApi): boolean {
    const { labels } = this.namespaces.get(undefined, metadata.namespace)?.metadata ?? {};
    return matchesLabels(spec.namespaceSelector, labels) && matchesLabels(spec.selector, metadata.labels);
  }
}

function labelsOnly({ apiVersion, kind, metadata }: KubeObject): KubeObject {
  const { name, uid, resourceVersion, labels } = metadata;
  return { apiVersion, kind, metadata: { name, uid, resourceVersion, labels } };
}
