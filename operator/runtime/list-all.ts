import { isGone, type KubeClient } from './kube-client.js';
import { apiVersionOf, type KubeList, type KubeObject, type ResourceType } from './kube-types.js';

const PAGE = 500;

/** Which objects of a kind a list or watch includes. */
export interface Selection {
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
}

/**
 * Everything there is of a kind. `fromCache` lets the API server answer at once from
 * memory, which may lag; without it the list is as new as etcd and comes in pages.
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
      // The pages came too slowly and their version is gone. In one piece it can't happen again.
      return named(type, await client.list(type, { ...selection }, signal));
    }
  }
  return named(type, { ...head, items });
}

/** Items of a list do not say what they are. */
function named(type: ResourceType, { metadata, items }: KubeList): KubeList {
  const apiVersion = apiVersionOf(type);
  return { metadata, items: items.map((item): KubeObject => ({ ...item, apiVersion, kind: type.kind })) };
}
