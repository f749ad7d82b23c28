/** Reads objects of the input and records which of their fields were read, so that each field is converted or reported. */
import { CliError } from '../output.js';
import { goDuration } from './common/go-duration.js';

export type Path = readonly (string | number)[];

/** A Kubernetes object of the input. */
export interface InputObject {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; [field: string]: unknown };
  [field: string]: unknown;
}

/**
 * `NotConverted`: PcfApi has no such setting. `Required`: the input lacks a value that PcfApi requires.
 * `Changed`: converted, with a difference. `NotNeeded`: the operator or the image provides it.
 */
export const OUTCOMES = ['NotConverted', 'Required', 'Changed', 'NotNeeded'] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** What the conversion did with a field. `path` is empty for a whole object. */
export interface Note {
  object: string;
  path: string;
  outcome: Outcome;
  why: string;
  instead: string;
}

/** Written by the API server or a controller. They are no settings. */
const SERVER_FIELDS = [
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'finalizers',
  'generation',
  'managedFields',
  'ownerReferences',
  'resourceVersion',
  'selfLink',
  'uid',
];

/** Prefixes of annotations that kubectl and controllers of Kubernetes write. */
const SERVER_ANNOTATIONS = /^(kubectl|deployment|autoscaling\.alpha)\.kubernetes\.io\//;

/** Metadata that users set, without the identity of the object. */
function ownMetadata(metadata: InputObject['metadata']): Record<string, unknown> {
  const { name: _name, namespace: _namespace, annotations, ...settings } = metadata;
  for (const field of SERVER_FIELDS) delete settings[field];
  const own = Object.entries(annotations ?? {}).filter(([key]) => !SERVER_ANNOTATIONS.test(key));
  return own.length > 0 ? { ...settings, annotations: Object.fromEntries(own) } : settings;
}

/** One object of the input. */
export class Source {
  readonly notes: Note[] = [];
  readonly #covered = new Set<string>();

  constructor(readonly object: InputObject) {}

  get name(): string {
    return `${this.object.kind}/${this.object.metadata.name}`;
  }

  get root(): Field {
    return new Field(this.object, [], this);
  }

  /** Marks a field and the fields below it as converted or reported. */
  cover(path: Path): void {
    this.#covered.add(pathText(path));
  }

  isCovered(path: Path): boolean {
    return this.#covered.has(pathText(path));
  }

  /**
   * Topmost fields that were neither converted nor reported. The empty path: no field of the object was.
   * Identity, status, and metadata of the API server are no settings and not included.
   */
  unread(): Path[] {
    const { apiVersion: _version, kind: _kind, status: _status, metadata, ...fields } = this.object;
    const settings = ownMetadata(metadata);
    const rest = Object.keys(settings).length > 0 ? { ...fields, metadata: settings } : fields;
    return Object.keys(rest).length > 0 ? this.#unread(rest, []).paths : [];
  }

  #unread(value: unknown, path: Path): { isWhole: boolean; paths: Path[] } {
    if (this.#covered.has(pathText(path))) return { isWhole: false, paths: [] };
    const found = children(value).map(([key, child]) => this.#unread(child, [...path, key]));
    if (found.every(({ isWhole }) => isWhole)) return { isWhole: true, paths: [path] };
    return { isWhole: false, paths: found.flatMap(({ paths }) => paths) };
  }
}

/** A field of an input object. Its value is undefined if the object does not have it. */
export class Field {
  constructor(
    readonly value: unknown,
    readonly path: Path,
    readonly source: Source,
  ) {}

  get isGiven(): boolean {
    return this.value !== undefined && this.value !== null;
  }

  at(...keys: Path): Field {
    return keys.reduce<Field>((field, key) => {
      const value = (field.value as Record<PropertyKey, unknown> | null | undefined)?.[key];
      return new Field(value, [...field.path, key], this.source);
    }, this);
  }

  /** Elements of a list, or none. */
  items(): Field[] {
    if (!this.isGiven) return [];
    if (!Array.isArray(this.value)) throw this.#mistyped('a list');
    return this.value.map((_, index) => this.at(index));
  }

  /** Fields of a map, or none. */
  entries(): [string, Field][] {
    if (!this.isGiven) return [];
    if (typeof this.value !== 'object' || Array.isArray(this.value)) throw this.#mistyped('a map');
    return Object.keys(this.value as object).map((key) => [key, this.at(key)]);
  }

  /** Whether it is a map without other fields than these. */
  hasOnly(...keys: string[]): boolean {
    return this.entries().every(([key]) => keys.includes(key));
  }

  text(): string | undefined {
    return this.#read('string', 'a string') as string | undefined;
  }

  number(): number | undefined {
    return this.#read('number', 'a number') as number | undefined;
  }

  flag(): boolean | undefined {
    return this.#read('boolean', 'true or false') as boolean | undefined;
  }

  /** A number or a string, such as an IntOrString or a quantity. A fraction is returned as a string. */
  scalar(): number | string | undefined {
    if (typeof this.value !== 'number') return this.text();
    const value = this.number()!;
    return Number.isInteger(value) ? value : String(value);
  }

  /** A duration of Go, or a number of seconds, as a duration of PcfApi. */
  duration(): string | undefined {
    const value = this.scalar();
    if (value === undefined) return undefined;
    const text = goDuration(value);
    if (text === undefined) throw this.#mistyped('a duration such as 90s or 1h30m');
    return text;
  }

  /** The value with everything below it, which counts as converted. */
  whole(): unknown {
    this.cover();
    return this.value ?? undefined;
  }

  /** A map of strings. */
  strings(): Record<string, string> {
    return Object.fromEntries(this.entries().map(([key, field]) => [key, field.text() ?? '']));
  }

  cover(): void {
    if (this.isGiven) this.source.cover(this.path);
  }

  /** Reports the field with everything below it. No effect if it is not given. */
  note(outcome: Outcome, why: string, instead = ''): void {
    if (this.isGiven) this.report(outcome, why, instead);
  }

  /** Reports fields that have the default value of Kubernetes, as in objects that a cluster returned. */
  noteDefaults(defaults: Record<string, unknown>): void {
    for (const [key, value] of Object.entries(defaults))
      if (this.at(key).value === value) this.at(key).note('NotNeeded', 'it is the default of Kubernetes');
  }

  /** Reports a field that another rule has not converted or reported. */
  noteUnlessCovered(outcome: Outcome, why: string, instead = ''): void {
    if (!this.source.isCovered(this.path)) this.note(outcome, why, instead);
  }

  /** Reports the field with everything below it, also if it is not given. */
  report(outcome: Outcome, why: string, instead = ''): void {
    this.cover();
    this.remark(outcome, why, instead);
  }

  /** Adds a note to the field. The fields below it must still be converted or reported. */
  remark(outcome: Outcome, why: string, instead = ''): void {
    const { name, notes } = this.source;
    notes.push({ object: name, path: pathText(this.path), outcome, why, instead });
  }

  /** Error for a value that is not valid in the input. */
  invalid(message: string): CliError {
    return new CliError(`${this.source.name}: ${pathText(this.path)} ${message}`);
  }

  #read(type: 'string' | 'number' | 'boolean', what: string): unknown {
    if (!this.isGiven) return undefined;
    if (typeof this.value !== type) throw this.#mistyped(what);
    this.cover();
    return this.value;
  }

  #mistyped(what: string): CliError {
    return this.invalid(`must be ${what}, got ${typeName(this.value)}`);
  }
}

/** Not the value, which can be a password in a variable. */
function typeName(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'a list' : typeof value === 'object' ? 'a map' : `a ${typeof value}`;
}

/** Path in the notation of kubectl: `spec.steps[0].setWeight`, `metadata.annotations["a.b/c"]`. */
export function pathText(path: Path): string {
  return path
    .map((key, index) => {
      if (typeof key === 'number') return `[${key}]`;
      if (!/^[\w-]+$/.test(key)) return `[${JSON.stringify(key)}]`;
      return index === 0 ? key : `.${key}`;
    })
    .join('');
}

/** Entries of a map or a list that are set. */
function children(value: unknown): [string | number, unknown][] {
  if (Array.isArray(value)) return value.map((child, index) => [index, child]);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).filter(([, child]) => !isUnset(child));
}

/** A null is an unset field in Kubernetes, and so is a map of nulls, such as `{ creationTimestamp: null }`. */
function isUnset(value: unknown): boolean {
  if (value === null || value === undefined) return true;
  if (typeof value !== 'object' || Array.isArray(value)) return false;
  const values = Object.values(value);
  return values.length > 0 && values.every(isUnset);
}
