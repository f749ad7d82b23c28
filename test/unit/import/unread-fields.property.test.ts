import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { importRollout } from '../../../cli/import/argo/rollout.js';
import type { Imported } from '../../../cli/import/conversion.js';
import { importCanary } from '../../../cli/import/flagger/canary.js';
import { toObjects } from '../../../cli/import/objects.js';
import { type InputObject, type Note, type Path, pathText } from '../../../cli/import/source.js';
import { readDocuments } from '../../../cli/manifest.js';
import { CliError } from '../../../cli/output.js';

type Importer = (objects: readonly InputObject[]) => Imported;

const INPUTS: [file: string, importer: Importer][] = [
  ['test/fixtures/import/rollout.yaml', importRollout],
  ['test/fixtures/import/canary.yaml', importCanary],
];

/** Identity of an object. The result uses it only to find objects. */
const IDENTITY = ['apiVersion', 'kind', 'metadata.name', 'metadata.namespace'];

describe('kubectl-pcf import: no field is lost', () => {
  for (const [file, importer] of INPUTS) {
    const objects = toObjects(file, readDocuments(file));

    it(`a changed leaf of ${file} changes the PcfApi or is reported`, () => {
      const before = importer(objects);
      const places = objects.flatMap((object, index) => leaves(object).map((path) => [index, ...path]));
      assert.ok(places.length > 80, `the walk finds ${places.length} leaves`);
      for (const place of places) assertUsed(importer, objects, before, place);
    });

    it(`unknown fields in ${file} are reported or are a part of the PcfApi`, () => {
      const places = objects.flatMap((object, index) => maps(object).map((path) => [index, ...path]));
      const extended = places.reduce(
        (all, place, number) => edited(all, [...place, 'unknownField'], () => `value ${number}.`),
        objects,
      );
      const { api, notes } = importer(extended);
      const text = JSON.stringify(api);
      for (const [number, [index, ...path]] of places.entries())
        assert.ok(
          text.includes(`value ${number}.`) ||
            isReported(notes, objects[index as number]!, [...path, 'unknownField']),
          `unknownField in ${pathText(path)} of document ${index} is lost`,
        );
    });

    it(`a changed leaf of ${file} without some of its fields changes the PcfApi or is reported`, () => {
      const place = (of: readonly InputObject[]) =>
        fc.constantFrom(...of.flatMap((object, index) => leaves(object).map((path) => [index, ...path])));
      let converted = 0;
      fc.assert(
        fc.property(fc.array(place(objects), { maxLength: 12 }), place(objects), (removed, leaf) => {
          const rest = removed.reduce((left, path) => edited(left, path, () => undefined), objects);
          const before = attempt(importer, rest);
          if (before === undefined || valueAt(rest, leaf) === undefined) return;
          converted++;
          assertUsed(importer, rest, before, leaf);
        }),
        { numRuns: 60 },
      );
      assert.ok(converted > 10, `only ${converted} inputs were valid`);
    });
  }
});

/** `place`: index of the object, and the path in it. An error for an invalid value is a report too. */
function assertUsed(
  importer: Importer,
  objects: readonly InputObject[],
  before: Imported,
  place: Path,
): void {
  const [index, ...path] = place;
  const after = attempt(importer, edited(objects, place, changed));
  if (after === undefined || !isDeepStrictEqual(after.api, before.api)) return;
  const object = objects[index as number]!;
  assert.ok(
    isReported(after.notes, object, path),
    `${object.kind}/${object.metadata.name} ${pathText(path)} is neither in the PcfApi nor in the notes`,
  );
}

/** Whether a note is about the field or about one that contains it. */
function isReported(notes: readonly Note[], { kind, metadata }: InputObject, path: Path): boolean {
  const paths = [...path.keys(), path.length].map((length) => pathText(path.slice(0, length)));
  return notes.some((note) => note.object === `${kind}/${metadata.name}` && paths.includes(note.path));
}

function attempt(importer: Importer, objects: readonly InputObject[]): Imported | undefined {
  try {
    return importer(objects);
  } catch (error) {
    if (error instanceof CliError) return undefined;
    throw error;
  }
}

function edited<T>(value: T, [key, ...rest]: Path, change: (value: unknown) => unknown): T {
  if (key === undefined) return change(value) as T;
  if (typeof value !== 'object' || value === null) return value;
  const copy = (Array.isArray(value) ? [...value] : { ...value }) as Record<PropertyKey, unknown>;
  const result = edited(copy[key], rest, change);
  if (result === undefined && !Array.isArray(copy)) delete copy[key];
  else if (result !== undefined) copy[key] = result;
  return copy as T;
}

function valueAt(value: unknown, path: Path): unknown {
  return path.reduce((at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key], value);
}

/** Another value of the same type. An empty map or list gets an element. */
function changed(value: unknown): unknown {
  if (typeof value === 'number') return value + 1;
  if (typeof value === 'boolean') return !value;
  if (typeof value === 'string') return `${value}x`;
  return Array.isArray(value) ? ['x'] : { unknownField: 'x' };
}

function leaves(value: unknown, path: Path = []): Path[] {
  if (IDENTITY.includes(pathText(path))) return [];
  const entries = childrenOf(value);
  if (entries.length === 0) return [path];
  return entries.flatMap(([key, child]) => leaves(child, [...path, key]));
}

function maps(value: unknown, path: Path = []): Path[] {
  const here = typeof value === 'object' && value !== null && !Array.isArray(value) ? [path] : [];
  return [...here, ...childrenOf(value).flatMap(([key, child]) => maps(child, [...path, key]))];
}

function childrenOf(value: unknown): [string | number, unknown][] {
  if (Array.isArray(value)) return value.map((child, index) => [index, child]);
  return typeof value === 'object' && value !== null ? Object.entries(value) : [];
}
