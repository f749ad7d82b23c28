import type { FieldSet } from '../../../operator/runtime/kube-types.js';

/** Merge keys of these lists of built-in kinds. Every other list is atomic. */
const mergeKeys: Record<string, string[]> = {
  containers: ['name'],
  env: ['name'],
  volumes: ['name'],
  volumeMounts: ['mountPath'],
  ports: ['port', 'protocol'],
};

/** The fields of `value` as managedFields would list them for the manager that applied it. */
export function ownedFields(value: unknown, field = ''): FieldSet {
  if (typeof value !== 'object' || value === null) return {};
  if (!Array.isArray(value)) {
    const entries = Object.entries(value).filter(([, part]) => part !== undefined);
    return Object.fromEntries(entries.map(([key, part]) => [`f:${key}`, ownedFields(part, key)]));
  }
  const keys = mergeKeys[field];
  if (!keys) return {};
  return Object.fromEntries(
    value.map((item: Record<string, unknown>) => {
      const given = Object.fromEntries(keys.map((key) => [key, item[key]]));
      return [`k:${JSON.stringify(given)}`, { '.': {}, ...ownedFields(item) }];
    }),
  );
}
