/** Differences between the desired fields and a live object. */
import type { FieldSet, KubeObject } from './kube-types.js';
import { type FieldPath, itemStep, listKind } from './managed-fields.js';
import { sameQuantity } from './quantity.js';

export interface Difference {
  /** Path for messages: `spec.template.spec.containers[name=api].image`. */
  path: string;
  fieldPath: FieldPath;
}

/**
 * A position in both objects. Paths and field sets are computed on demand, because most positions have no
 * difference.
 */
interface Place {
  parent?: Place;
  /** Element of `FieldsV1`; undefined for an item of an atomic list. */
  step?: string;
  /** Element of the path for messages. */
  label: string;
  /** Fields that our manager owns here; undefined if unknown. */
  ours: FieldSet | undefined;
  /** At the root: managed fields of all managers. They show how the API server merges lists. */
  all?: FieldSet[];
}

/**
 * Finds fields of `desired` that differ in `live`, and fields that our manager no longer owns because another
 * manager replaced them. Other fields of `live` are ignored: defaults, and fields of other managers. Lists
 * are compared as the API server merges them according to `metadata.managedFields`; without it each list is
 * atomic.
 */
export function differences(desired: KubeObject, live: KubeObject, ourManager: string): Difference[] {
  const managed = live.metadata.managedFields ?? [];
  const ours = managed.find(
    ({ manager, operation, subresource }) =>
      manager === ourManager && operation === 'Apply' && subresource === undefined,
  );
  const all = managed.flatMap(({ fieldsV1 }) => fieldsV1 ?? []);
  const found: Difference[] = [];
  compare(desired, live, { label: '', ours: ours?.fieldsV1, all }, found);
  return found;
}

/** Appends differences to `found`. Allocating a list per position would dominate the run time. */
function compare(desired: unknown, live: unknown, place: Place, found: Difference[]): void {
  if (desired === undefined) return;
  if (Array.isArray(desired)) compareLists(desired, live, place, found);
  else if (!isObject(desired)) {
    if (!sameScalar(desired, live, place)) found.push(differenceAt(place));
  } else if (!isObject(live)) {
    if (!isEmpty(desired) || live !== undefined) found.push(differenceAt(place));
  } else {
    for (const key of Object.keys(desired)) compareField(key, desired[key], live[key], place, found);
  }
}

function compareField(
  key: string,
  desired: unknown,
  live: unknown,
  parent: Place,
  found: Difference[],
): void {
  const place = below(parent, `f:${key}`, parent.label ? `.${key}` : key);
  // An atomic list or map that another manager replaced is no longer in our field set. The root is excluded:
  // a metadata that only names the object is not owned.
  const known = parent.parent ? parent.ours : undefined;
  const isLost = known && !isLeaf(known) && !place.ours && isComposite(desired);
  if (isLost) found.push(differenceAt(place));
  else compare(desired, live, place, found);
}

function compareLists(desired: unknown[], live: unknown, place: Place, found: Difference[]): void {
  if (!Array.isArray(live)) {
    if (desired.length > 0 || live !== undefined) found.push(differenceAt(place));
    return;
  }
  const sets = fieldSetsAt(place);
  const kind = listKind(sets);
  if (kind.type === 'map') {
    for (const item of desired as Record<string, unknown>[])
      compareItem(item, live, { keys: kind.keys, sets, place }, found);
  } else if (kind.type === 'set') {
    if (!desired.every((value) => live.includes(value))) found.push(differenceAt(place));
  } else if (desired.length !== live.length) {
    found.push(differenceAt(place));
  } else {
    // Elements of an atomic list are not owned separately.
    for (const [index, item] of desired.entries())
      compare(item, live[index], { parent: place, label: `[${index}]`, ours: undefined }, found);
  }
}

/** A list that is merged by keys. */
interface KeyedList {
  keys: string[];
  sets: FieldSet[];
  place: Place;
}

/**
 * An item of a list that is merged by keys. A key that `desired` omits has a default, such as the protocol of
 * a port.
 */
function compareItem(
  desired: Record<string, unknown>,
  live: unknown[],
  { keys, sets, place }: KeyedList,
  found: Difference[],
): void {
  const given = keys.filter((key) => desired[key] !== undefined);
  const twin = live.find((item) => isObject(item) && given.every((key) => item[key] === desired[key]));
  const label = `[${given.map((key) => `${key}=${String(desired[key])}`).join(',')}]`;
  const step = isObject(twin) ? itemStep(sets, keys, twin) : undefined;
  compare(desired, twin, below(place, step, label), found);
}

function below(parent: Place, step: string | undefined, label: string): Place {
  return { parent, step, label, ours: step === undefined ? undefined : parent.ours?.[step] };
}

/** Field sets of all managers at this position. */
function fieldSetsAt({ parent, step, all }: Place): FieldSet[] {
  if (!parent) return all ?? [];
  return step === undefined ? [] : fieldSetsAt(parent).flatMap((set) => set[step] ?? []);
}

function pathOf({ parent, label }: Place): string {
  return parent ? pathOf(parent) + label : label;
}

function fieldPathOf({ parent, step }: Place): string[] {
  const path = parent ? fieldPathOf(parent) : [];
  return step === undefined ? path : [...path, step];
}

/** Fields with quantities, which the API server can normalize. */
const quantityPath =
  /\.(requests|limits|minAllowed|maxAllowed)\.[^.]+$|\.(sizeLimit|divisor|averageValue|tolerance)$|\.target\.value$/;

function sameScalar(desired: unknown, live: unknown, place: Place): boolean {
  if (desired === live) return true;
  // In Kubernetes types an empty value is equivalent to an unset one.
  if (live === undefined) return desired === '' || desired === false || desired === 0 || desired === null;
  return quantityPath.test(pathOf(place)) && sameQuantity(desired, live);
}

function differenceAt(place: Place): Difference {
  return { path: pathOf(place), fieldPath: fieldPathOf(place) };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A non-empty list or object. Empty ones have no owner. */
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
