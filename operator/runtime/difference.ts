/** Whether a live object holds everything that is desired of it, and where it does not. */
import type { FieldSet, KubeObject } from './kube-types.js';
import { type FieldPath, itemStep, listKind } from './managed-fields.js';
import { sameQuantity } from './quantity.js';

export interface Difference {
  /** For people: `spec.template.spec.containers[name=api].image`. */
  path: string;
  fieldPath: FieldPath;
}

/**
 * A place in both objects. Nearly all of them are equal, so what only a difference or a
 * list needs, its whole path and everyone's field sets, is found when it is asked for.
 */
interface Place {
  parent?: Place;
  /** As `FieldsV1` spells it; undefined for an item of a list that is owned whole. */
  step?: string;
  /** For people: how the path continues. */
  label: string;
  /** Our manager's field set here; undefined when it is not known. */
  ours: FieldSet | undefined;
  /** At the root: everyone's, ours included. They tell how the API server merges lists. */
  all?: FieldSet[];
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
  const found: Difference[] = [];
  compare(desired, live, { label: '', ours: ours?.fieldsV1, all }, found);
  return found;
}

/** Adds what it finds to `found`: most places have nothing to say, and a list for each would be most of the work. */
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
  // A list or map that is owned whole, and that another manager has replaced, is no longer among ours.
  // (Not at the root: of a metadata that only names the object, nobody owns anything.)
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
    // Nothing below a list that is owned whole is owned by itself.
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

/** An item of a list that is merged by keys. A key left out of `desired` is one with a default, such as a port's protocol. */
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

/** Everyone's field sets at the place. */
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

/** Where the values are quantities, which the API server may write otherwise than we did. */
const quantityPath =
  /\.(requests|limits|minAllowed|maxAllowed)\.[^.]+$|\.(sizeLimit|divisor|averageValue|tolerance)$|\.target\.value$/;

function sameScalar(desired: unknown, live: unknown, place: Place): boolean {
  if (desired === live) return true;
  // An empty value is what a missing one means, in Kubernetes' own types.
  if (live === undefined) return desired === '' || desired === false || desired === 0 || desired === null;
  return quantityPath.test(pathOf(place)) && sameQuantity(desired, live);
}

function differenceAt(place: Place): Difference {
  return { path: pathOf(place), fieldPath: fieldPathOf(place) };
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
