/** State of one conversion: the objects of the input, the spec that is built, and the options. */
import { API_VERSION, KIND, MAX_NAME_LENGTH } from '../../operator/api/v1alpha1/pcfapi.js';
import { CliError } from '../output.js';
import {
  type Field,
  type InputObject,
  type Note,
  OUTCOMES,
  type Outcome,
  type Path,
  pathText,
  Source,
} from './source.js';
import { SpecBuilder } from './spec-builder.js';

/** Values that the input does not have. */
export interface ImportOptions {
  /** Name of the PcfApi. Default: the name of the object. */
  name?: string;
  namespace?: string;
  environment?: 'development' | 'staging' | 'production';
  /** Secret with the URL of the database, for an input without one. */
  databaseSecret?: { name: string; key: string };
  /** URL of Prometheus, for metrics without one. */
  prometheus?: string;
}

/** A PcfApi as it is written in a manifest. */
export interface PcfApiManifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; labels?: object; annotations?: object };
  spec: Record<string, unknown>;
}

export interface Imported {
  api: PcfApiManifest;
  /** What was not converted, or with a difference; the most important first. */
  notes: Note[];
}

const WORKLOAD_VERSION = 'apps/v1';

/** Annotations that describe the old object. */
const OBSOLETE_ANNOTATIONS =
  /^(kubectl\.kubernetes\.io\/|rollout\.argoproj\.io\/|deployment\.kubernetes\.io\/)/;

export class Conversion {
  readonly spec = new SpecBuilder();
  readonly #sources: readonly Source[];
  /** Of the converted object. */
  #namespace: string | undefined;

  constructor(
    objects: readonly InputObject[],
    readonly options: ImportOptions,
  ) {
    this.#sources = objects.map((object) => new Source(object));
  }

  /** Name of the PcfApi for an object to convert. */
  nameFor(main: Field): string {
    return this.options.name ?? main.source.object.metadata.name;
  }

  /**
   * Objects of a kind in the namespace of the converted object, in the order of the input: it can contain the objects
   * of several environments. An object without a namespace counts as in each.
   */
  all(...kinds: string[]): Field[] {
    return this.#in(this.#namespace, kinds);
  }

  /** An object by kind and name, by default in the namespace of the converted object. */
  find(kind: string, name: string | undefined, namespace = this.#namespace): Field | undefined {
    return this.#in(namespace, [kind]).find(({ source: { object } }) => object.metadata.name === name);
  }

  #in(namespace: string | undefined, kinds: readonly string[]): Field[] {
    return this.#sources
      .filter(({ object: { kind, metadata } }) => {
        const isThere = (metadata.namespace ?? namespace) === (namespace ?? metadata.namespace);
        return kinds.includes(kind) && isThere;
      })
      .map(({ root }) => root);
  }

  /**
   * The workload that a reference names, whose pod template is converted. Throws a {@link CliError} if it is
   * not in the input.
   */
  workload(reference: Field, kinds: readonly string[]): Field {
    const [kind, name] = [reference.at('kind').text() ?? 'Deployment', reference.at('name').text()];
    const version = reference.at('apiVersion').text() ?? WORKLOAD_VERSION;
    if (!name) throw reference.invalid(`must name a ${kinds.join(' or ')}`);
    if (!kinds.includes(kind) || version !== WORKLOAD_VERSION)
      throw reference.invalid(
        `names a ${kind} of ${version}: only a ${kinds.join(' or ')} of ${WORKLOAD_VERSION} can be converted`,
      );
    const workload = this.find(kind, name);
    if (!workload)
      throw reference.invalid(`names ${kind} ${name}, which is not in the input: add it with another -f`);
    return workload;
  }

  /** The object to convert. Throws a {@link CliError} unless the input contains exactly one of its kind. */
  main(kind: string, apiVersion: string): Field {
    const found = this.all(kind);
    const [object] = found;
    if (!object) throw new CliError(`the input contains no ${kind} (${apiVersion})`);
    if (found.length > 1) {
      const names = found.map(({ source }) => source.object.metadata.name).join(', ');
      throw new CliError(
        `the input contains ${found.length} objects of kind ${kind}: ${names}; convert one at a time`,
      );
    }
    const given = object.source.object.apiVersion;
    if (given !== apiVersion)
      throw new CliError(`${object.source.name} has apiVersion ${given}, expected ${apiVersion}`);
    this.#namespace = object.source.object.metadata.namespace;
    return object;
  }

  /** The result: metadata of the converted object, the spec, and a note for each field that was not read. */
  finish(main: Field): Imported {
    const metadata = this.#metadata(main);
    const spec = this.spec.finish();
    for (const source of this.#sources) reportUnread(source, source === main.source);
    const notes = this.#sources.flatMap(({ notes }) =>
      notes.filter((note) => !isWithinUnconverted(note, notes)),
    );
    return {
      api: { apiVersion: API_VERSION, kind: KIND, metadata, spec },
      notes: notes.toSorted((a, b) => OUTCOMES.indexOf(a.outcome) - OUTCOMES.indexOf(b.outcome)),
    };
  }

  #metadata(main: Field): PcfApiManifest['metadata'] {
    const { metadata } = main.source.object;
    const name = this.nameFor(main);
    if (!/^[a-z]([-a-z0-9]*[a-z0-9])?$/.test(name) || name.length > MAX_NAME_LENGTH)
      throw new CliError(
        `the name ${name} is not valid for a PcfApi: it must start with a letter, contain only a-z, 0-9 and -, and have at most ${MAX_NAME_LENGTH} characters; set --name`,
      );
    const namespace = this.options.namespace ?? metadata.namespace;
    const labels = main.at('metadata', 'labels').strings();
    const annotations = this.#annotations(main.at('metadata', 'annotations'));
    return {
      name,
      ...(namespace ? { namespace } : {}),
      ...(Object.keys(labels).length > 0 ? { labels } : {}),
      ...(Object.keys(annotations).length > 0 ? { annotations } : {}),
    };
  }

  #annotations(annotations: Field): Record<string, string> {
    const kept = annotations.entries().filter(([key, field]) => {
      if (OBSOLETE_ANNOTATIONS.test(key)) field.note('NotNeeded', 'it describes the old object');
      return !OBSOLETE_ANNOTATIONS.test(key);
    });
    return Object.fromEntries(kept.map(([key, field]) => [key, field.text() ?? '']));
  }
}

/** Whether a field that contains the field of the note was not converted as a whole. */
function isWithinUnconverted({ path }: Note, notes: readonly Note[]): boolean {
  return notes.some(
    (other) =>
      other.outcome === 'NotConverted' &&
      path.length > other.path.length &&
      path.startsWith(other.path) &&
      /^[.[]/.test(path.slice(other.path.length)),
  );
}

function reportUnread(source: Source, isMain: boolean): void {
  for (const path of source.unread()) {
    const [outcome, why, instead] = isMain ? UNKNOWN : reasonOf(path);
    source.notes.push({ object: source.name, path: pathText(path), outcome, why, instead });
  }
}

type Reason = readonly [outcome: Outcome, why: string, instead: string];
const UNKNOWN: Reason = ['NotConverted', 'PcfApi has no corresponding field', ''];

/** Of an object in addition to the converted one. */
function reasonOf(path: Path): Reason {
  if (path.length === 0) return ['NotNeeded', 'not a part of the delivery', 'apply it as before'];
  if (path[0] === 'metadata') return ['NotNeeded', 'the PcfApi replaces the object', ''];
  return UNKNOWN;
}
