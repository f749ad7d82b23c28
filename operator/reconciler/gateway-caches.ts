/** Gateways of users and their classes, for the features that a class supports. */
import { FIELD_MANAGER } from '../api/v1alpha1/pcfapi.js';
import { GatewayClassKind, GatewayKind } from '../resources/kinds.js';
import { LABELS } from '../resources/metadata.js';
import type { CacheSet } from '../runtime/cache-set.js';
import { canonicalJson } from '../runtime/canonical-json.js';
import { ResourceEventType } from '../runtime/event-types.js';
import type { KubeObject } from '../runtime/kube-types.js';
import type { CacheEvent, ResourceCache } from '../runtime/resource-cache.js';
import { type GatewayClassView, type ParentGateway, supportedFeatures } from '../traffic/gateway-features.js';

/** GatewayClass is cluster-scoped, and a shared Gateway is usually in another namespace than its PcfApis. */
export class GatewayCaches {
  private readonly gateways: ResourceCache;
  private readonly classes: ResourceCache;

  constructor(set: CacheSet) {
    this.gateways = set.resource(GatewayKind, {
      labelSelector: `${LABELS.managedBy}!=${FIELD_MANAGER}`,
      transform: withClassName,
    });
    this.classes = set.resource(GatewayClassKind, { transform: withFeatures });
  }

  /** The classes of Gateways. Without those that do not exist, which the controller of the Gateway reports. */
  classesOf(parents: readonly ParentGateway[]): GatewayClassView[] {
    return parents.flatMap(({ namespace, name, className = this.classNameOf(namespace, name) }) => {
      const found = className && this.classes.get(undefined, className);
      return found
        ? [{ gateway: `${namespace}/${name}`, className, supported: supportedFeatures(found) }]
        : [];
    });
  }

  /** Calls the listener when the features of a Gateway may have changed. Most events only change a status. */
  onChange(listener: () => void): void {
    const whenChanged = (event: CacheEvent) => {
      if (mayChangeFeatures(event)) listener();
    };
    this.gateways.on(whenChanged);
    this.classes.on(whenChanged);
  }

  noteClass(gatewayClass: KubeObject): void {
    this.classes.noteWrite(gatewayClass);
  }

  noteGateway(gateway: KubeObject): void {
    this.gateways.noteWrite(gateway);
  }

  private classNameOf(namespace: string, name: string): string | undefined {
    return (this.gateways.get(namespace, name) as Gateway | undefined)?.spec?.gatewayClassName;
  }
}

interface Gateway extends KubeObject {
  spec?: { gatewayClassName?: string };
}

/** The old state of a deleted object is usually equal to it. Exported for tests. */
export function mayChangeFeatures({ type, object, old }: CacheEvent): boolean {
  if (type === ResourceEventType.Deleted) return true;
  return canonicalJson(meaningOf(object)) !== canonicalJson(old && meaningOf(old));
}

function meaningOf({ spec, status }: KubeObject) {
  return [spec, status];
}

function withClassName({ apiVersion, kind, metadata, spec }: KubeObject): KubeObject {
  const { gatewayClassName } = (spec ?? {}) as NonNullable<Gateway['spec']>;
  return { apiVersion, kind, metadata: identityOf(metadata), spec: { gatewayClassName } };
}

function withFeatures(object: KubeObject): KubeObject {
  const { apiVersion, kind, metadata } = object;
  return {
    apiVersion,
    kind,
    metadata: identityOf(metadata),
    status: { supportedFeatures: supportedFeatures(object) },
  };
}

function identityOf({ name, namespace, uid, resourceVersion }: KubeObject['metadata']) {
  return { name, namespace, uid, resourceVersion };
}
