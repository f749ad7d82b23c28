/** Looks ahead in the query: which fields will be asked of what a resolver returns. */
import {
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLResolveInfo,
  Kind,
  type SelectionSetNode,
} from 'graphql';

/** Names of fields; `undefined` stands for "nobody knows, take all". */
export type FieldNames = ReadonlySet<string>;

type Fragments = Readonly<Record<string, FragmentDefinitionNode | undefined>>;

/** Parsed documents are kept and used again, so what was found in one is kept as long as it is. */
const found = new WeakMap<FieldNode, Map<string, FieldNames>>();

/**
 * The fields asked for at `path` below the field that is being resolved, for
 * instance `['edges', 'node']`. Fragments count whatever type they are on, and so
 * do fields that @skip or @include will leave out: a column too much does no harm.
 */
export function selectedFields(
  { fieldNodes, fragments }: Pick<GraphQLResolveInfo, 'fieldNodes' | 'fragments'>,
  ...path: string[]
): FieldNames {
  const [only] = fieldNodes;
  if (!only || fieldNodes.length !== 1) return collect(fieldNodes, fragments, path);
  const ofNode = found.get(only) ?? new Map<string, FieldNames>();
  found.set(only, ofNode);
  const key = path.join('.');
  const names = ofNode.get(key) ?? collect(fieldNodes, fragments, path);
  ofNode.set(key, names);
  return names;
}

function collect(nodes: readonly FieldNode[], fragments: Fragments, path: readonly string[]): FieldNames {
  let level = nodes.flatMap((node) => fieldsOf(node.selectionSet, fragments));
  for (const name of path) {
    level = level
      .filter((field) => field.name.value === name)
      .flatMap((field) => fieldsOf(field.selectionSet, fragments));
  }
  return new Set(level.map((field) => field.name.value));
}

/** The fields of a selection, fragments opened. Validation has refused fragments that contain themselves. */
function fieldsOf(set: SelectionSetNode | undefined, fragments: Fragments): FieldNode[] {
  return (set?.selections ?? []).flatMap((selection): FieldNode[] => {
    if (selection.kind === Kind.FIELD) return [selection];
    if (selection.kind === Kind.INLINE_FRAGMENT) return fieldsOf(selection.selectionSet, fragments);
    return fieldsOf(fragments[selection.name.value]?.selectionSet, fragments);
  });
}
