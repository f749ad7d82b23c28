/** Whether a live object holds everything that is desired of it, and where it does not. */

/** List keys by which Kubernetes merges lists of objects, tried in this order. */
const listKeys = ['name', 'mountPath', 'containerPort', 'port', 'key', 'uid'] as const;

/** Lists of Gateway API and Istio that have one owner: whatever is there beside ours is a change of ours. */
const atomicList = /(^|\.)(backendRefs|parentRefs|subsets|http)$/;

/** Where quantities are. Elsewhere `1.10` and `1.1` are two texts: a label, the value of a variable. */
const quantityField = /(^|\.)(limits|requests|hard)\.[^.]+$|(^|\.)(sizeLimit|averageValue)$/;

/**
 * Paths, such as `spec.replicas`, at which `live` lacks what `desired` says.
 * What `live` has beyond that is somebody else's business: defaults, other managers' fields.
 */
export function differences(desired: unknown, live: unknown, path = ''): string[] {
  if (desired === undefined) return [];
  if (Array.isArray(desired)) return listDifferences(desired, live, path);
  if (isObject(desired)) {
    if (!isObject(live)) return isEmpty(desired) && live === undefined ? [] : [path];
    return Object.entries(desired).flatMap(([key, value]) =>
      differences(value, live[key], path ? `${path}.${key}` : key),
    );
  }
  return sameScalar(desired, live, path) ? [] : [path];
}

function listDifferences(desired: unknown[], live: unknown, path: string): string[] {
  if (!Array.isArray(live)) return desired.length === 0 && live === undefined ? [] : [path];
  const key = mergeKey(desired);
  const mayHoldMore = key !== undefined && !atomicList.test(path);
  if (live.length !== desired.length && !(mayHoldMore && live.length > 0)) return [path];
  if (!key) return desired.flatMap((item, index) => differences(item, live[index], `${path}[${index}]`));
  return (desired as Record<string, unknown>[]).flatMap((item) => {
    const itemPath = `${path}[${key}=${String(item[key])}]`;
    // Namesakes are possible: two ports of one number, one for TCP and one for UDP.
    const twins = live.filter((other) => isObject(other) && other[key] === item[key]);
    const found = twins.map((twin) => differences(item, twin, itemPath));
    return found.find((paths) => paths.length === 0) ?? found[0] ?? [itemPath];
  });
}

function mergeKey(list: unknown[]): (typeof listKeys)[number] | undefined {
  if (list.length === 0) return undefined;
  return listKeys.find((key) => list.every((item) => isObject(item) && key in item));
}

function sameScalar(desired: unknown, live: unknown, path: string): boolean {
  if (desired === live) return true;
  // An empty value is what a missing one means, in Kubernetes' own types.
  if (live === undefined) return desired === '' || desired === false || desired === 0 || desired === null;
  return quantityField.test(path) && quantity(desired) !== undefined && quantity(desired) === quantity(live);
}

const suffixes: Record<string, number> = {
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
};

/** Value of a resource.Quantity, in thousandths: `1000m` and `1` are the same. */
function quantity(value: unknown): number | undefined {
  if (typeof value !== 'string' && typeof value !== 'number') return undefined;
  const match = /^([0-9]+(?:\.[0-9]+)?|\.[0-9]+)(m|k|Ki|M|Mi|G|Gi|T|Ti)?$/.exec(String(value));
  return match ? Math.round(Number(match[1]) * suffixes[match[2] ?? '']! * 1000) : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isEmpty(value: object): boolean {
  return Object.keys(value).length === 0;
}
