/** Builds the spec of a PcfApi and records which fields of the input each of its fields comes from. */
import { pcfApiSpec } from '../../operator/api/v1alpha1/spec.js';
import { CliError } from '../output.js';
import type { Field, Path } from './source.js';

interface Assignment {
  path: Path;
  /** The path is a list, and the value is its next element. */
  isElement: boolean;
  value: unknown;
  sources: readonly Field[];
}

export class SpecBuilder {
  #assignments: Assignment[] = [];

  /** Sets a field. Undefined values are ignored. */
  set(path: Path, value: unknown, ...sources: readonly Field[]): void {
    if (value !== undefined) this.#assignments.push({ path, isElement: false, value, sources });
  }

  /** Appends an element to a list. */
  append(path: Path, value: unknown, ...sources: readonly Field[]): void {
    this.#assignments.push({ path, isElement: true, value, sources });
  }

  /** Value that was set for exactly this field. */
  get(path: Path): unknown {
    const isPath = ({ path: other }: Assignment) => isWithin(other, path) && isWithin(path, other);
    return this.#assignments.findLast(isPath)?.value;
  }

  /** Whether the field, a field below it or an element of it was set. */
  has(path: Path): boolean {
    return this.#assignments.some((assignment) => isWithin(assignment.path, path));
  }

  /**
   * The spec, as it would be in a manifest: without defaults. A value that the schema of PcfApi rejects is
   * left out and reported. Throws a {@link CliError} if the rest is not valid.
   */
  finish(): Record<string, unknown> {
    for (;;) {
      const { spec, places } = this.#build();
      const result = pcfApiSpec.safeParse(spec);
      if (result.success) return inOrderOf(result.data, spec) as Record<string, unknown>;
      const issues = result.error.issues.map(({ path, message }) => ({ path: path as Path, message }));
      const rejected = new Map<Assignment, string>();
      for (const { path, message } of issues) {
        const assignment = closest(places, path);
        if (assignment && assignment.sources.length > 0) rejected.set(assignment, message);
      }
      if (rejected.size === 0) {
        const problems = issues.map(({ path, message }) => `  spec.${path.join('.')}: ${message}`);
        throw new CliError(['the input does not convert to a valid PcfApi:', ...problems].join('\n'));
      }
      this.#assignments = this.#assignments.filter((assignment) => !rejected.has(assignment));
      // Without the value: it can be a credential.
      for (const [{ path, sources }, message] of rejected)
        for (const source of sources)
          source.note(
            'NotConverted',
            `spec.${path.join('.')} of a PcfApi rejects the value: ${message}`,
            'set a valid value',
          );
    }
  }

  #build(): { spec: Record<string, unknown>; places: { path: Path; assignment: Assignment }[] } {
    const spec: Record<string, unknown> = {};
    const places = this.#assignments.map((assignment) => {
      const path = assignment.isElement
        ? [...assignment.path, listAt(spec, assignment.path).length]
        : assignment.path;
      setAt(spec, path, assignment.value);
      return { path, assignment };
    });
    return { spec, places };
  }
}

/** The value with its fields in the order of the parsed value, which is that of the schema. */
function inOrderOf(parsed: unknown, value: unknown): unknown {
  if (Array.isArray(value))
    return value.map((element, index) => inOrderOf((parsed as unknown[])[index], element));
  if (typeof value !== 'object' || value === null) return value;
  const [order, fields] = [parsed as Record<string, unknown>, value as Record<string, unknown>];
  const known = Object.keys(order).filter((key) => key in fields);
  return Object.fromEntries(known.map((key) => [key, inOrderOf(order[key], fields[key])]));
}

function listAt(spec: Record<string, unknown>, path: Path): unknown[] {
  const parent = parentOf(spec, path);
  const key = path.at(-1)!;
  parent[key] ??= [];
  return parent[key] as unknown[];
}

function setAt(spec: Record<string, unknown>, path: Path, value: unknown): void {
  parentOf(spec, path)[path.at(-1)!] = value;
}

function parentOf(spec: Record<string, unknown>, path: Path): Record<PropertyKey, unknown> {
  return path.slice(0, -1).reduce<Record<PropertyKey, unknown>>((at, key) => {
    at[key] ??= {};
    return at[key] as Record<PropertyKey, unknown>;
  }, spec);
}

/** The assignment of the value at the path, of the value that contains it, or of a value in it. */
function closest(
  places: readonly { path: Path; assignment: Assignment }[],
  path: Path,
): Assignment | undefined {
  const related = places.filter(({ path: place }) => isWithin(path, place) || isWithin(place, path));
  const depth = (place: Path) => (isWithin(path, place) ? place.length : -1);
  return related.toSorted((a, b) => depth(b.path) - depth(a.path))[0]?.assignment;
}

function isWithin(path: Path, ancestor: Path): boolean {
  return ancestor.every((key, index) => path[index] === key);
}
