/** Look-ahead: the fields that the document selects on the result of a resolver. */
import {
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLResolveInfo,
  Kind,
  type SelectionSetNode,
} from 'graphql';

/** Names of fields. `undefined` means unknown: load all columns. */
export type FieldNames = ReadonlySet<string>;

type Fragments = Readonly<Record<string, FragmentDefinitionNode | undefined>>;

/** Parsed documents are cached and reused, so their selections are cached with them. */
const found = new WeakMap<FieldNode, Map<string, FieldNames>>();

/**
 * The fields that are selected at `path` below the current field, for example `['edges', 'node']`.
 * It includes the fields of fragments on any type, and fields that @skip or @include exclude: an
 * unneeded column is harmless.
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

/** The fields of a selection set with its fragments. Validation has rejected cyclic fragments. */
function fieldsOf(set: SelectionSetNode | undefined, fragments: Fragments): FieldNode[] {
  return (set?.selections ?? []).flatMap((selection): FieldNode[] => {
    if (selection.kind === Kind.FIELD) return [selection];
    if (selection.kind === Kind.INLINE_FRAGMENT) return fieldsOf(selection.selectionSet, fragments);
    return fieldsOf(fragments[selection.name.value]?.selectionSet, fragments);
  });
}
