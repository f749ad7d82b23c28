/**
 * Execution plan of an operation, computed once and cached with its document: the selected fields
 * per type, their resolvers, and how each value is completed. Plans are data and never generated
 * code, so that documents of clients cannot inject code.
 */
import {
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLAbstractType,
  type GraphQLField,
  type GraphQLFieldResolver,
  type GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLSchema,
  getArgumentValues,
  isAbstractType,
  isLeafType,
  isListType,
  isNonNullType,
  type OperationDefinitionNode,
  SchemaMetaFieldDef,
  TypeMetaFieldDef,
  TypeNameMetaFieldDef,
  visit,
} from 'graphql';
import { collectFields, collectSubfields } from 'graphql/execution/collectFields.js';
import { asBadUserInput } from './bad-user-input.js';
import { serializerOf } from './serialize.js';

export interface PlanSource {
  schema: GraphQLSchema;
  fragments: Record<string, FragmentDefinitionNode>;
  operation: OperationDefinitionNode;
  /** Variables of @skip and @include that have a value. A plan is valid for one set of their values. */
  conditions: Readonly<Record<string, unknown>>;
}

type Arguments = Record<string, unknown>;

interface OfType {
  readonly nonNull: boolean;
}
export interface LeafPlan extends OfType {
  readonly kind: 'leaf';
  readonly serialize: (value: unknown) => unknown;
}
export interface ListPlan extends OfType {
  readonly kind: 'list';
  readonly item: TypePlan;
}
export interface ObjectPlan extends OfType {
  readonly kind: 'object';
  readonly type: GraphQLObjectType;
  readonly selection: SelectionPlan;
}
export interface AbstractPlan extends OfType {
  readonly kind: 'abstract';
  readonly type: GraphQLAbstractType;
  readonly selections: PossibleSelections;
}
export type TypePlan = LeafPlan | ListPlan | ObjectPlan | AbstractPlan;

/** One field of a selection set, by its response name. */
export class FieldPlan {
  readonly name: string;
  readonly resolve: GraphQLFieldResolver<unknown, unknown> | undefined;
  readonly type: TypePlan;
  readonly isTypename: boolean;
  readonly #given: Arguments | undefined;

  constructor(
    readonly source: PlanSource,
    readonly responseName: string,
    readonly parentType: GraphQLObjectType,
    readonly definition: GraphQLField<unknown, unknown>,
    readonly nodes: readonly FieldNode[],
  ) {
    this.name = definition.name;
    this.resolve = definition.resolve ?? undefined;
    this.isTypename = definition === TypeNameMetaFieldDef;
    this.type = typePlan(source, definition.type, nodes);
    if (!hasVariables(nodes[0])) this.#given = this.#argumentsFor({});
  }

  /** Shared by all executions, so they must not be modified. Throws when they are invalid. */
  arguments(variables: Arguments): Arguments {
    return this.#given ?? this.#argumentsFor(variables);
  }

  /** Whether the arguments are the same for each execution. */
  get hasFixedArguments(): boolean {
    return this.#given !== undefined;
  }

  #argumentsFor(variables: Arguments): Arguments {
    const node = this.nodes[0] as FieldNode;
    return frozen(asBadUserInput(() => getArgumentValues(this.definition, node, variables)));
  }
}

/** The selected fields of one type, computed on first use. */
export class SelectionPlan {
  #fields: readonly FieldPlan[] | undefined;

  constructor(
    private readonly source: PlanSource,
    readonly type: GraphQLObjectType,
    private readonly nodes: readonly FieldNode[] | undefined,
  ) {}

  /** Throws when a condition is invalid. */
  get fields(): readonly FieldPlan[] {
    this.#fields ??= this.#plan();
    return this.#fields;
  }

  #plan(): readonly FieldPlan[] {
    const { schema } = this.source;
    const collected = asBadUserInput(() => this.#collected());
    const plans: FieldPlan[] = [];
    for (const [responseName, nodes] of collected) {
      const definition = fieldOf(schema, this.type, nodes[0]?.name.value ?? '');
      if (definition) plans.push(new FieldPlan(this.source, responseName, this.type, definition, nodes));
    }
    return plans;
  }

  /** The fields that @skip and @include select. Throws when a condition is null. */
  #collected(): Map<string, readonly FieldNode[]> {
    const { schema, fragments, conditions, operation } = this.source;
    return this.nodes
      ? collectSubfields(schema, fragments, conditions as Arguments, this.type, this.nodes as never)
      : collectFields(schema, fragments, conditions as Arguments, this.type, operation.selectionSet);
  }
}

/** The selections for values of several types. */
export class PossibleSelections {
  readonly #byType = new Map<GraphQLObjectType, SelectionPlan>();

  constructor(
    private readonly source: PlanSource,
    private readonly nodes: readonly FieldNode[],
  ) {}

  of(type: GraphQLObjectType): SelectionPlan {
    const selection = this.#byType.get(type) ?? new SelectionPlan(this.source, type, this.nodes);
    this.#byType.set(type, selection);
    return selection;
  }
}

/** Freezes a value recursively, except values that scalars have parsed. */
function frozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  const isPlain = Array.isArray(value) || [Object.prototype, null].includes(Object.getPrototypeOf(value));
  if (isPlain) for (const inner of Object.values(value)) frozen(inner);
  return isPlain ? Object.freeze(value) : value;
}

function typePlan(source: PlanSource, type: GraphQLOutputType, nodes: readonly FieldNode[]): TypePlan {
  const nonNull = isNonNullType(type);
  const inner = isNonNullType(type) ? type.ofType : type;
  if (isListType(inner)) return { kind: 'list', nonNull, item: typePlan(source, inner.ofType, nodes) };
  if (isLeafType(inner)) return { kind: 'leaf', nonNull, serialize: serializerOf(inner) };
  if (isAbstractType(inner)) {
    return { kind: 'abstract', nonNull, type: inner, selections: new PossibleSelections(source, nodes) };
  }
  return { kind: 'object', nonNull, type: inner, selection: new SelectionPlan(source, inner, nodes) };
}

function fieldOf(
  schema: GraphQLSchema,
  type: GraphQLObjectType,
  name: string,
): GraphQLField<unknown, unknown> | undefined {
  if (name === TypeNameMetaFieldDef.name) return TypeNameMetaFieldDef;
  if (type === schema.getQueryType()) {
    if (name === SchemaMetaFieldDef.name) return SchemaMetaFieldDef;
    if (name === TypeMetaFieldDef.name) return TypeMetaFieldDef;
  }
  return type.getFields()[name];
}

function hasVariables(node: FieldNode | undefined): boolean {
  let found = false;
  for (const argument of node?.arguments ?? []) {
    visit(argument, {
      Variable() {
        found = true;
      },
    });
  }
  return found;
}
