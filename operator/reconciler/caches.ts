/** The watches of the operator: one cache per kind, limited by label if the objects are ours. */

import { FIELD_MANAGER, KIND, type PcfApi } from '../api/v1alpha1/pcfapi.js';
import {
  BACKUP_KINDS,
  EndpointSliceKind,
  HorizontalPodAutoscalerKind,
  JobKind,
  OWNED_KINDS,
  PcfApiKind,
  PodKind,
  SecretKind,
} from '../resources/kinds.js';
import { isOwnedBy, LABELS, MANAGED_SELECTOR } from '../resources/metadata.js';
import { secretNames } from '../resources/secret-refs.js';
import type { CacheSet } from '../runtime/cache-set.js';
import { ResourceEventType } from '../runtime/event-types.js';
import type { KubeObject, ResourceType } from '../runtime/kube-client.js';
import type { CacheEvent, CacheOptions, ResourceCache } from '../runtime/resource-cache.js';
import { keyOf } from '../runtime/store.js';
import { type GatewayClassView, parentGateways } from '../traffic/gateway-features.js';
import { claimKey, claimsOf, type HostClaim } from '../traffic/host-claims.js';
import { SHARED_ROUTES } from '../traffic/index.js';
import { followedBy } from '../traffic/shared.js';
import { cachedPart } from './cached-parts.js';
import { GatewayCaches } from './gateway-caches.js';
import { digestOf, type SecretDigest } from './secret-digests.js';
import { WindowCaches } from './window-caches.js';

const INSTANCE = 'instance';
const ROUTE = 'route';
const CLAIM = 'claim';
const SECRET = 'secret';

/** Helm stores each release in a Secret of up to 1 MB, which no PcfApi reads. */
const READABLE_SECRETS = 'type!=helm.sh/release.v1';

/** Kinds with our labels: owned objects, backups, and the objects that Kubernetes creates for them. */
const LABELLED_KINDS: readonly ResourceType[] = [...OWNED_KINDS, ...BACKUP_KINDS, PodKind, EndpointSliceKind];

/** Options of the cache of all pods; {@link podsOf} finds those of one PcfApi. */
export const POD_CACHE: CacheOptions = {
  labelSelector: MANAGED_SELECTOR,
  indexers: { [INSTANCE]: byInstance },
  transform: cachedPart(PodKind),
};

/** The pods of a PcfApi, by its key, in a cache with {@link POD_CACHE}. */
export function podsOf(pods: ResourceCache, key: string): KubeObject[] {
  return pods.byIndex(INSTANCE, key);
}

export class Caches {
  readonly pcfApis: ResourceCache;
  readonly secrets: ResourceCache;
  /** Routes of users, which `traffic.routeRef` can name. */
  private readonly userRoutes: ReadonlyMap<ResourceType, ResourceCache>;
  private readonly labelled: ReadonlyMap<ResourceType, ResourceCache>;
  /** Undefined if PcfWindows are ignored. */
  readonly windows: WindowCaches | undefined;
  /** Undefined if the operator may not read cluster-scoped objects. */
  readonly gateways: GatewayCaches | undefined;

  constructor(set: CacheSet, namespaces: readonly string[] = [], hasClusterWindows = true) {
    this.pcfApis = set.resource(PcfApiKind, {
      namespaces,
      indexers: { [SECRET]: bySecret, [ROUTE]: byRoute },
      transform: cachedPart(PcfApiKind),
    });
    this.secrets = set.resource(SecretKind, {
      namespaces,
      fieldSelector: READABLE_SECRETS,
      transform: digestOf,
    });
    this.windows = hasClusterWindows ? new WindowCaches(set) : undefined;
    this.gateways = hasClusterWindows ? new GatewayCaches(set) : undefined;
    this.userRoutes = new Map(
      SHARED_ROUTES.map(({ type }) => [
        type,
        set.resource(type, {
          namespaces,
          labelSelector: `${LABELS.managedBy}!=${FIELD_MANAGER}`,
          indexers: { [INSTANCE]: followedKeys, [CLAIM]: claimKeys },
        }),
      ]),
    );
    this.labelled = new Map(
      LABELLED_KINDS.map((type) => [
        type,
        set.resource(type, {
          namespaces,
          // Including autoscalers of users, which have no label of ours.
          labelSelector: type === HorizontalPodAutoscalerKind ? undefined : MANAGED_SELECTOR,
          indexers: {
            [INSTANCE]: byInstance,
            ...(this.userRoutes.has(type) ? { [CLAIM]: claimKeys } : {}),
          },
          transform: cachedPart(type),
        }),
      ]),
    );
  }

  get pods(): ResourceCache {
    return this.labelled.get(PodKind)!;
  }

  get jobs(): ResourceCache {
    return this.labelled.get(JobKind)!;
  }

  /** Every cache of objects that belong to some PcfApi. */
  dependents(): Iterable<[ResourceType, ResourceCache]> {
    return this.labelled;
  }

  /** An object of the PcfApi. An object of this name with another owner does not count, if the kind is owned. */
  get(type: ResourceType, api: PcfApi, name: string): KubeObject | undefined {
    const found = this.named(type, api, name);
    return found && (!OWNED_KINDS.includes(type) || isOwnedBy(found, api)) ? found : undefined;
  }

  /** The object of this name that has our labels, even if it belongs to another PcfApi. */
  named(type: ResourceType, { metadata }: PcfApi, name: string): KubeObject | undefined {
    return this.labelled.get(type)?.get(metadata.namespace, name);
  }

  /** PcfApis that read a Secret. */
  readersOf({ metadata }: KubeObject): KubeObject[] {
    return this.pcfApis.byIndex(SECRET, `${metadata.namespace}/${metadata.name}`);
  }

  /** Caches of the users' own routes. */
  routesOfUsers(): Iterable<[ResourceType, ResourceCache]> {
    return this.userRoutes;
  }

  /** Keys of the PcfApis whose rules a user's route has, or that name it. */
  concernedBy(route: KubeObject): string[] {
    const naming = this.pcfApis.byIndex(ROUTE, `${route.metadata.namespace}/${route.metadata.name}`);
    return [...followedKeys(route), ...naming.map(keyOf)];
  }

  /** A route of the user's own. */
  userRoute(type: ResourceType, { metadata }: PcfApi, name: string): KubeObject | undefined {
    return this.userRoutes.get(type)?.get(metadata.namespace, name);
  }

  /** The classes of the Gateways that serve a PcfApi, as far as they are known. */
  gatewayClasses(api: PcfApi, userRoute: KubeObject | undefined): GatewayClassView[] {
    return this.gateways?.classesOf(parentGateways(api, userRoute)) ?? [];
  }

  /** Routes of users with rules of the PcfApi, whether it still names them or not. */
  followers(type: ResourceType, { metadata }: PcfApi): KubeObject[] {
    const key = `${metadata.namespace}/${metadata.name}`;
    return this.userRoutes.get(type)?.byIndex(INSTANCE, key) ?? [];
  }

  /** Routes of this kind, ours and others, that claim a host at a gateway. */
  claimants(type: ResourceType, claim: HostClaim): KubeObject[] {
    const key = claimKey(claim);
    return [this.labelled, this.userRoutes].flatMap((caches) => caches.get(type)?.byIndex(CLAIM, key) ?? []);
  }

  /** Keys of the PcfApis whose route claims a host that this event adds to or removes from a route. */
  contenders(kind: ResourceType, { type, object, old }: CacheEvent): string[] {
    if (!this.userRoutes.has(kind)) return [];
    const before = old ? claimsOf(old) : [];
    const after = type === ResourceEventType.Deleted ? [] : claimsOf(object);
    return symmetricDifference(before, after)
      .flatMap((claim) => this.claimants(kind, claim))
      .flatMap((route) => instanceKey(route) ?? this.concernedBy(route));
  }

  noteRouteWrite(type: ResourceType, written: KubeObject): void {
    this.userRoutes.get(type)?.noteWrite(written);
  }

  secret({ metadata }: PcfApi, name: string): SecretDigest | undefined {
    return this.secrets.get(metadata.namespace, name) as SecretDigest | undefined;
  }

  /** Objects of this kind with the PcfApi's labels. Those of owned kinds must also have it as their owner. */
  ownedBy(type: ResourceType, api: PcfApi): KubeObject[] {
    const found = this.labelled.get(type)?.byIndex(INSTANCE, keyOf(api)) ?? [];
    return OWNED_KINDS.includes(type) ? found.filter((object) => isOwnedBy(object, api)) : found;
  }

  /** Autoscalers that target the PcfApi and are not its own. */
  foreignAutoscalers(api: PcfApi): KubeObject[] {
    const found = this.labelled.get(HorizontalPodAutoscalerKind)?.byIndex(INSTANCE, keyOf(api)) ?? [];
    return found.filter((object) => !isOwnedBy(object, api));
  }

  /** Adds a write of ours to the cache before the watch reports it. */
  noteWrite(type: ResourceType, written: KubeObject): void {
    this.labelled.get(type)?.noteWrite(written);
  }

  /** Whether the cluster has this kind. */
  available(type: ResourceType): boolean {
    return this.labelled.get(type)?.available ?? false;
  }
}

interface Autoscaler extends KubeObject {
  spec?: { scaleTargetRef?: { kind?: string; name?: string } };
}

/** Key of the PcfApi that an object belongs to or scales, if it does. */
export function instanceKey(object: KubeObject): string | undefined {
  const { metadata } = object;
  const target = (object as Autoscaler).spec?.scaleTargetRef;
  if (target?.kind === KIND) return `${metadata.namespace}/${target.name}`;
  const name = metadata.labels?.[LABELS.instance];
  const isOurs = metadata.labels?.[LABELS.managedBy] === FIELD_MANAGER;
  return name && isOurs ? `${metadata.namespace}/${name}` : undefined;
}

/** Index of PcfApis by Secret: a cluster has many Secrets, and an event must not cost a scan of all PcfApis. */
function bySecret(object: KubeObject): string[] {
  const { spec, metadata } = object as unknown as PcfApi;
  return secretNames(spec).map((name) => `${metadata.namespace}/${name}`);
}

function byRoute(object: KubeObject): string[] {
  const { spec, metadata } = object as unknown as PcfApi;
  const { routeRef } = spec.traffic ?? {};
  return routeRef ? [`${metadata.namespace}/${routeRef.name}`] : [];
}

/** Keys of the PcfApis whose rules a user's route has. */
function followedKeys(object: KubeObject): string[] {
  return followedBy(object).map((name) => `${object.metadata.namespace}/${name}`);
}

function claimKeys(object: KubeObject): string[] {
  return [...new Set(claimsOf(object).map(claimKey))];
}

function symmetricDifference(a: HostClaim[], b: HostClaim[]): HostClaim[] {
  const lacks = (claims: HostClaim[]) => (one: HostClaim) =>
    !claims.some((other) => claimKey(other) === claimKey(one));
  return [...a.filter(lacks(b)), ...b.filter(lacks(a))];
}

function byInstance(object: KubeObject): string[] {
  const key = instanceKey(object);
  return key ? [key] : [];
}
