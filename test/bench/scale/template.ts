/**
 * The stored objects of a PcfApi, recorded once from a cluster in which the operator and Kubernetes' controllers
 * created them, and copies of them under other names.
 */
import { createHash } from 'node:crypto';
import type { KubeConfig } from '@kubernetes/client-node';
import { pino } from 'pino';
import type { PcfApi } from '../../../operator/api/v1alpha1/pcfapi.js';
import { Caches } from '../../../operator/reconciler/caches.js';
import { observe } from '../../../operator/reconciler/observe.js';
import { planReconcile } from '../../../operator/reconciler/planned-reconcile.js';
import { deliverySpecOf } from '../../../operator/reconciler/strategies.js';
import {
  EndpointSliceKind,
  OWNED_KINDS,
  PcfApiKind,
  PodKind,
  ServiceKind,
} from '../../../operator/resources/kinds.js';
import { hashOf } from '../../../operator/runtime/apply.js';
import { CacheSet } from '../../../operator/runtime/cache-set.js';
import { KubeClient } from '../../../operator/runtime/kube-client.js';
import { apiVersionOf, type KubeObject, type ResourceType } from '../../../operator/runtime/kube-types.js';

/** Old enough that no removal is postponed. */
const ROUTE_AGE_MS = 3_600_000;
const HASH = 'pcf.dev/applied-hash';
const UID = /"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"/g;

interface StoredObject {
  type: ResourceType;
  /** The object as text, as the API server returns it. */
  live: string;
  /** What the operator applies, as text; undefined for objects of Kubernetes' controllers. */
  desired?: string;
}

export interface Template {
  name: string;
  objects: StoredObject[];
}

export interface Copied {
  type: ResourceType;
  object: KubeObject;
}

/** Records the objects of these PcfApis. */
export async function recordTemplates(
  kubeConfig: KubeConfig,
  namespace: string,
  names: readonly string[],
): Promise<Template[]> {
  const client = new KubeClient(kubeConfig);
  const stopping = new AbortController();
  const set = new CacheSet(client, pino({ level: 'silent' }));
  const caches = new Caches(set);
  set.start(stopping.signal);
  try {
    await set.synced();
    return await Promise.all(
      names.map(async (name) => {
        const api = caches.pcfApis.get(namespace, name) as unknown as PcfApi;
        const objects = await ownedObjects(client, api, desiredObjects(api, caches));
        return { name, objects };
      }),
    );
  } finally {
    stopping.abort();
    await set.stopped();
    await client.close();
  }
}

/** The objects that the operator would apply to a settled PcfApi. */
function desiredObjects(api: PcfApi, caches: Caches): KubeObject[] {
  const observed = observe(api, caches);
  const spec = deliverySpecOf(api, observed.router);
  return planReconcile(observed, spec, ROUTE_AGE_MS, undefined, Date.now()).objects;
}

/**
 * From the API server, because caches lack fields. Includes the finished pods of migrations: without their reports, the
 * operator would remove the duration of the migrations from each status.
 */
async function ownedObjects(
  client: KubeClient,
  { metadata: { namespace, name } }: PcfApi,
  desired: readonly KubeObject[],
): Promise<StoredObject[]> {
  const labelSelector = `app.kubernetes.io/instance=${name}`;
  const lists = await Promise.all(
    [...OWNED_KINDS, PodKind, EndpointSliceKind].map(async (type) => {
      const { items } = await client.list(type, { namespace, labelSelector });
      return items.map((item) => {
        const object = { ...item, apiVersion: apiVersionOf(type), kind: type.kind };
        const twin = desired.find(
          ({ kind, metadata }) => kind === type.kind && metadata.name === item.metadata.name,
        );
        return { type, live: JSON.stringify(object), ...(twin ? { desired: JSON.stringify(twin) } : {}) };
      });
    }),
  );
  const api = await client.get(PcfApiKind, namespace, name);
  return [{ type: PcfApiKind, live: JSON.stringify(api) }, ...lists.flat()];
}

/** The objects of a template under another name. */
export function copiesOf(template: Template, name: string): Copied[] {
  const renamed = (text: string) =>
    JSON.parse(
      text.replaceAll(template.name, name).replace(UID, (uid) => `"${otherUid(name, uid)}"`),
    ) as KubeObject;
  return template.objects.map(({ type, live, desired }) => {
    const object = renamed(live);
    delete object.metadata.resourceVersion;
    // The hash contains the names.
    if (desired) object.metadata.annotations![HASH] = hashOf(renamed(desired));
    // An address would be a duplicate, which the API server repairs. The operator does not read it.
    if (type === ServiceKind)
      object.spec = { ...(object.spec as object), clusterIP: 'None', clusterIPs: ['None'] };
    return { type, object };
  });
}

function otherUid(name: string, uid: string): string {
  const hex = createHash('sha256').update(name).update(uid).digest('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join(
    '-',
  );
}
