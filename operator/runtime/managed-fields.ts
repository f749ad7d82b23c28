/** Reads `metadata.managedFields`: merge strategies of lists, owners of fields. */
import type { FieldSet, ManagedFields } from './kube-types.js';

/** Path of a field in elements of `FieldsV1`: `['f:spec', 'f:replicas']`. */
export type FieldPath = readonly string[];

/** Merge strategy of a list, derived from the field sets at the list. */
export type ListKind = { type: 'map'; keys: string[] } | { type: 'set' } | { type: 'atomic' };

export function listKind(sets: readonly FieldSet[]): ListKind {
  const steps = sets.flatMap((set) => Object.keys(set));
  const item = steps.find((step) => step.startsWith('k:'));
  if (item) return { type: 'map', keys: Object.keys(JSON.parse(item.slice(2)) as object) };
  return steps.some((step) => step.startsWith('v:')) ? { type: 'set' } : { type: 'atomic' };
}

/** Element of an item of a list that is merged by keys. The API server sorts the keys by name. */
export function itemStep(
  sets: readonly FieldSet[],
  keys: readonly string[],
  item: Record<string, unknown>,
): string | undefined {
  const step = `k:${JSON.stringify(Object.fromEntries(keys.toSorted().map((key) => [key, item[key]])))}`;
  return sets.some((set) => set[step]) ? step : undefined;
}

/**
 * The manager other than ours that owns one of the fields, the latest of several; a write to the
 * scale subresource (kubectl scale, an autoscaler) counts. A removed field has no owner: the
 * result is then the last writer of the object itself, because a scale removes nothing.
 */
export function lastOtherManager(
  managedFields: readonly ManagedFields[],
  ours: string,
  fields: readonly FieldPath[],
): string {
  const newestFirst = managedFields
    .filter(({ manager, subresource }) => manager !== ours && subresource !== 'status')
    .sort((a, b) => (b.time ?? '').localeCompare(a.time ?? ''));
  const owner = newestFirst.find(({ fieldsV1 }) => fieldsV1 && fields.some((path) => owns(fieldsV1, path)));
  const lastWriter = newestFirst.find(({ subresource }) => !subresource);
  return (owner ?? lastWriter)?.manager ?? 'an unknown manager';
}

function owns(set: FieldSet, path: FieldPath): boolean {
  let node = set;
  for (const step of path) {
    const next = node[step];
    // A leaf above the field: it is atomic.
    if (!next) return node !== set && Object.keys(node).length === 0;
    node = next;
  }
  return true;
}
