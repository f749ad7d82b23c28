/**
 * Cost of an operation before its execution: 1 per object that it can return, more for fields with
 * `complexity`, multiplied by the lengths of the enclosing lists.
 */
import {
  type FieldNode,
  type FragmentDefinitionNode,
  GraphQLError,
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isCompositeType,
  isInterfaceType,
  isListType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
  type ValueNode,
} from 'graphql';
import { CODES } from '../../errors.js';
import { DEFAULT_PAGE } from '../relay/paging.js';

type Variables = Readonly<Record<string, unknown>>;

/** Assumed length of a list without a limit argument. */
const DEFAULT_LIST = 10;

/** A field with its subfields. */
interface CostNode {
  own: number;
  /** Number of instances of the field per parent. */
  times: (variables: Variables) => number;
  below: readonly CostNode[];
}

type Fragments = Readonly<Record<string, FragmentDefinitionNode>>;

/** Cost of one operation. The cost tree is built once. */
export class OperationCost {
  readonly #nodes: readonly CostNode[];
  readonly #fixed: number | undefined;

  constructor(schema: GraphQLSchema, operation: OperationDefinitionNode, fragments: Fragments) {
    const type = schema.getRootType(operation.operation);
    this.#nodes = type ? costsOf(schema, type, operation.selectionSet, fragments, undefined) : [];
    if (!operation.variableDefinitions?.length) this.#fixed = total(this.#nodes, {});
  }

  of(variables: Variables): number {
    return this.#fixed ?? total(this.#nodes, variables);
  }
}

export function tooExpensive(cost: number, max: number): GraphQLError {
  return new GraphQLError(
    `the cost of the operation is ${cost}, the maximum is ${max}; select fewer fields or shorter lists`,
    { extensions: { code: CODES.tooLarge, limit: 'cost', max, cost } },
  );
}

function total(nodes: readonly CostNode[], variables: Variables): number {
  let sum = 0;
  for (const { own, times, below } of nodes) sum += times(variables) * (own + total(below, variables));
  return sum;
}

function costsOf(
  schema: GraphQLSchema,
  type: GraphQLNamedType,
  set: SelectionSetNode | undefined,
  fragments: Fragments,
  page: ((variables: Variables) => number) | undefined,
): CostNode[] {
  return (set?.selections ?? []).flatMap((selection) => {
    if (selection.kind === Kind.FIELD) {
      const node = costOf(schema, type, selection, fragments, page);
      return node ? [node] : [];
    }
    const fragment = selection.kind === Kind.FRAGMENT_SPREAD ? fragments[selection.name.value] : selection;
    const on = fragment?.typeCondition && schema.getType(fragment.typeCondition.name.value);
    return costsOf(schema, on ?? type, fragment?.selectionSet, fragments, page);
  });
}

function costOf(
  schema: GraphQLSchema,
  type: GraphQLNamedType,
  node: FieldNode,
  fragments: Fragments,
  page: ((variables: Variables) => number) | undefined,
): CostNode | undefined {
  const field = isObjectType(type) || isInterfaceType(type) ? type.getFields()[node.name.value] : undefined;
  if (!field) return undefined; // introspection, which runs in memory
  const named = getNamedType(field.type);
  const declared = field.extensions.complexity;
  const own = typeof declared === 'number' ? declared : isCompositeType(named) ? 1 : 0;
  const below = costsOf(schema, named, node.selectionSet, fragments, pageOf(field, node));
  if (own === 0 && below.length === 0) return undefined;
  return { own, times: isListType(getNullableType(field.type)) ? (page ?? listOf(node)) : once, below };
}

const once = () => 1;

/** The length of `edges` below a connection; undefined if the field is not a connection. */
function pageOf({ args }: GraphQLField<unknown, unknown>, node: FieldNode) {
  if (!args.some(({ name }) => name === 'first')) return undefined;
  const given = node.arguments?.filter(({ name }) => ['first', 'last'].includes(name.value)) ?? [];
  return (variables: Variables) => {
    const sizes = given.map(({ value }) => numberOf(value, variables)).filter((size) => size !== undefined);
    return sizes.length > 0 ? Math.max(...sizes) : DEFAULT_PAGE;
  };
}

/** The length of a list argument, for fields such as `nodes(ids: [...])`. */
function listOf(node: FieldNode): (variables: Variables) => number {
  const [only] = node.arguments ?? [];
  return (variables) => {
    const value = only?.value;
    if (value?.kind === Kind.LIST) return value.values.length;
    const given = value?.kind === Kind.VARIABLE ? variables[value.name.value] : undefined;
    return Array.isArray(given) ? given.length : DEFAULT_LIST;
  };
}

/** The resolver rejects values that are out of range; here they count as given. */
function numberOf(value: ValueNode, variables: Variables): number | undefined {
  const given = value.kind === Kind.VARIABLE ? variables[value.name.value] : undefined;
  const number = value.kind === Kind.INT ? Number(value.value) : given;
  return typeof number === 'number' ? Math.max(0, number) : undefined;
}
