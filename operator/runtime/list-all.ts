import { isGone, type KubeClient } from './kube-client.js';
import { apiVersionOf, type KubeList, type KubeObject, type ResourceType } from './kube-types.js';

const PAGE = 500;

/** Selects the objects of a kind for a list or watch. */
export interface Selection {
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
}

/**
 * Lists all objects of a kind. `fromCache`: the API server responds from its watch cache, which can lag;
 * otherwise the list is consistent with etcd, in pages.
 */
export async function listAll(
  client: KubeClient,
  type: ResourceType,
  selection: Selection,
  fromCache: boolean,
  signal: AbortSignal,
): Promise<KubeList> {
  const first = fromCache ? { resourceVersion: '0' } : { limit: PAGE };
  const head = await client.list(type, { ...selection, ...first }, signal);
  const items = [...head.items];
  for (let token = head.metadata.continue; token; ) {
    try {
      const page = await client.list(type, { ...selection, limit: PAGE, continue: token }, signal);
      items.push(...page.items);
      token = page.metadata.continue;
    } catch (error) {
      if (!isGone(error)) throw error;
      // The continue token expired. A list without pages has none.
      return named(type, await client.list(type, { ...selection }, signal));
    }
  }
  return named(type, { ...head, items });
}

/** Items of a list have no apiVersion and kind. */
function named(type: ResourceType, { metadata, items }: KubeList): KubeList {
  const apiVersion = apiVersionOf(type);
  return { metadata, items: items.map((item): KubeObject => ({ ...item, apiVersion, kind: type.kind })) };
}
