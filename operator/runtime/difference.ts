/** Whether a live object holds everything that is desired of it, and where it does not. */
import type { FieldSet, KubeObject } from './kube-types.js';
import { type FieldPath, itemStep, listKind } from './managed-fields.js';
import { sameQuantity } from './quantity.js';

export interface Difference {
  /** For people: `spec.template.spec.containers[name=api].image`. */
  path: string;
  fieldPath: FieldPath;
}

/** A place in both objects, with what managers own from there on. */
interface Place {
  path: string;
  fieldPath: FieldPath;
  /** Our manager's field set here; undefined when it is not known. */
  ours: FieldSet | undefined;
  /** Everyone's, ours included: they tell how the API server merges lists. */
  all: FieldSet[];
}

/**
 * Where `live` lacks what `desired` says, and what there we no longer own since somebody
 * else replaced it. What `live` has beyond that is not our business: defaults, other
 * managers' fields. Lists are compared as the API server merges them, which
 * `metadata.managedFields` tells; without it each is compared whole and in order.
 */
export function differences(desired: KubeObject, live: KubeObject, ourManager: string): Difference[] {
  const managed = live.metadata.managedFields ?? [];
  const ours = managed.find(
    ({ manager, operation, subresource }) =>
      manager === ourManager && operation === 'Apply' && subresource === undefined,
  );
  const all = managed.flatMap(({ fieldsV1 }) => fieldsV1 ?? []);
  return compare(desired, live, { path: '', fieldPath: [], ours: ours?.fieldsV1, all });
}

function compare(desired: unknown, live: unknown, place: Place): Difference[] {
  if (desired === undefined) return [];
  if (Array.isArray(desired)) return compareLists(desired, live, place);
  if (!isObject(desired)) return sameScalar(desired, live, place.path) ? [] : [differenceAt(place)];
  if (!isObject(live)) return isEmpty(desired) && live === undefined ? [] : [differenceAt(place)];
  return Object.entries(desired).flatMap(([key, value]) => compareField(key, value, live[key], place));
}

function compareField(key: string, desired: unknown, live: unknown, parent: Place): Difference[] {
  const step = `f:${key}`;
  const place = below(parent, step, parent.path ? `${parent.path}.${key}` : key);
  // A list or map that is owned whole, and that another manager has replaced, is no longer among ours.
  // (Not at the root: of a metadata that only names the object, nobody owns anything.)
  const known = parent.path ? parent.ours : undefined;
  const isLost = known && !isLeaf(known) && isComposite(desired) && !known[step];
  return isLost ? [differenceAt(place)] : compare(desired, live, place);
}

function compareLists(desired: unknown[], live: unknown, place: Place): Difference[] {
  if (!Array.isArray(live)) return desired.length === 0 && live === undefined ? [] : [differenceAt(place)];
  const kind = listKind(place.all);
  if (kind.type === 'map') {
    return desired.flatMap((item) => compareItem(item as Record<string, unknown>, live, kind.keys, place));
  }
  if (kind.type === 'set') return desired.every((value) => live.includes(value)) ? [] : [differenceAt(place)];
  if (desired.length !== live.length) return [differenceAt(place)];
  return desired.flatMap((item, index) =>
    // Nothing below a list that is owned whole is owned by itself.
    compare(item, live[index], { ...place, path: `${place.path}[${index}]`, ours: undefined, all: [] }),
  );
}

/** An item of a list that is merged by keys. A key left out of `desired` is one with a default, such as a port's protocol. */
function compareItem(
  desired: Record<string, unknown>,
  live: unknown[],
  keys: string[],
  list: Place,
): Difference[] {
  const given = keys.filter((key) => desired[key] !== undefined);
  const twin = live.find((item) => isObject(item) && given.every((key) => item[key] === desired[key]));
  const label = given.map((key) => `${key}=${String(desired[key])}`).join(',');
  const step = isObject(twin) ? itemStep(list.all, twin) : undefined;
  return compare(desired, twin, below(list, step ?? '', `${list.path}[${label}]`));
}

function below({ fieldPath, ours, all }: Place, step: string, path: string): Place {
  return {
    path,
    fieldPath: step ? [...fieldPath, step] : fieldPath,
    ours: ours?.[step],
    all: all.flatMap((set) => set[step] ?? []),
  };
}

/** Where the values are quantities, which the API server may write otherwise than we did. */
const quantityPath =
  /\.(requests|limits|minAllowed|maxAllowed)\.[^.]+$|\.(sizeLimit|divisor|averageValue)$|\.target\.value$/;

function sameScalar(desired: unknown, live: unknown, path: string): boolean {
  if (desired === live) return true;
  // An empty value is what a missing one means, in Kubernetes' own types.
  if (live === undefined) return desired === '' || desired === false || desired === 0 || desired === null;
  return quantityPath.test(path) && sameQuantity(desired, live);
}

function differenceAt({ path, fieldPath }: Place): Difference {
  return { path, fieldPath };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A list or an object with something in it. What is empty is owned by nobody. */
function isComposite(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  return isObject(value) && Object.values(value).some((part) => isComposite(part) || isScalar(part));
}

function isScalar(value: unknown): boolean {
  return value !== undefined && value !== null && typeof value !== 'object';
}

function isLeaf(set: FieldSet): boolean {
  return Object.keys(set).length === 0;
}

function isEmpty(value: object): boolean {
  return Object.keys(value).length === 0;
}
