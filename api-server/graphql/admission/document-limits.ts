/** Size limits of documents. They are checked before validation, whose time can grow quadratically. */
import {
  type DocumentNode,
  type FragmentDefinitionNode,
  GraphQLError,
  Kind,
  type SelectionNode,
  type SelectionSetNode,
} from 'graphql';
import { CODES } from '../../errors.js';

export interface DocumentLimits {
  depth: number;
  /** Fields of a fragment count once per spread. */
  fields: number;
  aliases: number;
  directives: number;
}

/** Upper bound of all counters, higher than any limit, so that counting exponential fragments terminates. */
const ENOUGH = 1_000_000;

interface Size extends DocumentLimits {}

const NOTHING: Size = { depth: 0, fields: 0, aliases: 0, directives: 0 };

/** The exceeded limit; undefined when the document is within all limits. */
export function documentProblem(document: DocumentNode, limits: DocumentLimits): GraphQLError | undefined {
  if (hasProto(document)) return refused('a field must not be named __proto__', {});
  const size = sizeOf(document);
  const over = (Object.keys(limits) as (keyof DocumentLimits)[]).find((name) => size[name] > limits[name]);
  if (!over) return undefined;
  const found = size[over] >= ENOUGH ? `more than ${ENOUGH}` : String(size[over]);
  return refused(`the document is too large: ${over} is ${found}, the maximum is ${limits[over]}`, {
    limit: over,
    max: limits[over],
  });
}

function refused(message: string, more: object): GraphQLError {
  return new GraphQLError(message, { extensions: { code: CODES.tooLarge, ...more } });
}

/** Size of the largest operation. */
export function sizeOf(document: DocumentNode): Size {
  const counter = new Counter(document);
  const sizes = document.definitions.map((definition) =>
    definition.kind === Kind.OPERATION_DEFINITION ? counter.selections(definition.selectionSet) : NOTHING,
  );
  return sizes.reduce(largest, NOTHING);
}

/** Counts each fragment once and caches its size. */
class Counter {
  readonly #fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  readonly #counted = new Map<string, Size>();

  constructor(document: DocumentNode) {
    const fragments = document.definitions.filter((one) => one.kind === Kind.FRAGMENT_DEFINITION);
    this.#fragments = new Map(fragments.map((fragment) => [fragment.name.value, fragment]));
  }

  selections(set: SelectionSetNode | undefined): Size {
    let total = NOTHING;
    for (const selection of set?.selections ?? []) total = added(total, this.#selection(selection));
    return total;
  }

  #selection(selection: SelectionNode): Size {
    const directives = selection.directives?.length ?? 0;
    if (selection.kind === Kind.FRAGMENT_SPREAD) {
      return added(this.#fragment(selection.name.value), { ...NOTHING, directives });
    }
    const inner = this.selections(selection.selectionSet);
    if (selection.kind === Kind.INLINE_FRAGMENT) return added(inner, { ...NOTHING, directives });
    const own = { depth: inner.depth + 1, fields: 1, aliases: selection.alias ? 1 : 0, directives };
    return added(inner, own);
  }

  #fragment(name: string): Size {
    const known = this.#counted.get(name);
    if (known) return known;
    // A fragment in a cycle counts as empty; validation rejects it.
    this.#counted.set(name, NOTHING);
    const size = this.selections(this.#fragments.get(name)?.selectionSet);
    this.#counted.set(name, size);
    return size;
  }
}

function added(a: Size, b: Size): Size {
  const sum = (x: number, y: number) => Math.min(ENOUGH, x + y);
  return {
    depth: Math.max(a.depth, b.depth),
    fields: sum(a.fields, b.fields),
    aliases: sum(a.aliases, b.aliases),
    directives: sum(a.directives, b.directives),
  };
}

function largest(a: Size, b: Size): Size {
  return {
    depth: Math.max(a.depth, b.depth),
    fields: Math.max(a.fields, b.fields),
    aliases: Math.max(a.aliases, b.aliases),
    directives: Math.max(a.directives, b.directives),
  };
}

/** As an object key, `__proto__` would set the prototype. */
function hasProto(document: DocumentNode): boolean {
  const inSet = (set: SelectionSetNode | undefined): boolean =>
    set?.selections.some(
      (one) =>
        (one.kind === Kind.FIELD && one.alias?.value === '__proto__') ||
        (one.kind !== Kind.FRAGMENT_SPREAD && inSet(one.selectionSet)),
    ) ?? false;
  return document.definitions.some(
    (one) => 'selectionSet' in one && inSet(one.selectionSet as SelectionSetNode),
  );
}
