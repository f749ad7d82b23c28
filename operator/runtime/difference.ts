/** Whether a live object holds everything that is desired of it, and where it does not. */

/** List keys by which Kubernetes merges lists of objects, tried in this order. */
const listKeys = ['name', 'mountPath', 'containerPort', 'port', 'key', 'uid'] as const;

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
  return sameScalar(desired, live) ? [] : [path];
}

function listDifferences(desired: unknown[], live: unknown, path: string): string[] {
  if (!Array.isArray(live)) return desired.length === 0 && live === undefined ? [] : [path];
  const key = listKeys.find(
    (candidate) => desired.length > 0 && desired.every((item) => isObject(item) && candidate in item),
  );
  if (!key || desired.length !== live.length) {
    if (desired.length !== live.length && !(key && live.length > desired.length)) return [path];
  }
  if (!key) return desired.flatMap((item, index) => differences(item, live[index], `${path}[${index}]`));
  return (desired as Record<string, unknown>[]).flatMap((item) => {
    const twin = live.find((other) => isObject(other) && other[key] === item[key]);
    return differences(item, twin, `${path}[${key}=${String(item[key])}]`);
  });
}

function sameScalar(desired: unknown, live: unknown): boolean {
  if (desired === live) return true;
  // An empty value is what a missing one means, in Kubernetes' own types.
  if (live === undefined) return desired === '' || desired === false || desired === 0 || desired === null;
  return quantity(desired) !== undefined && quantity(desired) === quantity(live);
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
