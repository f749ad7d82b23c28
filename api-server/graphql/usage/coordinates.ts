/**
 * Schema coordinates that an operation uses (https://spec.graphql.org/draft/#sec-Schema-Coordinates):
 * `Type`, `Type.field`, `Type.field(argument:)`, `Input.field`, `Enum.VALUE`, `@directive` and
 * `@directive(argument:)`. A type is used where the document names it, and an input object type also
 * where an object is given for it.
 *
 * Some uses have no coordinate in the specification. They contain a space, and are recorded because a
 * change of the schema can invalidate them although each of their parts remains valid:
 * - `Parent ... on Type`: a fragment, which requires that the two types have objects in common.
 * - `A.field & B.field`: two fields with the same response name, whose types must have the same shape.
 * - `Type.field(argument:) = null`, ` = list` or ` = $Type`: the form of a value of an argument or an input
 *   field that does not fit each type with the same name: null, a list, or a variable with its declared type.
 */
import {
  type ArgumentNode,
  type DirectiveNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLArgument,
  type GraphQLCompositeType,
  type GraphQLField,
  type GraphQLInputType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isCompositeType,
  isEnumType,
  isInputObjectType,
  isInputType,
  isListType,
  isSpecifiedDirective,
  isSpecifiedScalarType,
  isUnionType,
  Kind,
  type OperationDefinitionNode,
  print,
  type SelectionSetNode,
  typeFromAST,
  type ValueNode,
} from 'graphql';

export type Fragments = Readonly<Record<string, FragmentDefinitionNode>>;

/**
 * Coordinates in the text of a valid operation, each once. Values of variables are not part of it, see
 * {@link VariableUse}.
 */
export function coordinatesOf(
  schema: GraphQLSchema,
  operation: OperationDefinitionNode,
  fragments: Fragments,
): string[] {
  const collector = new Collector(schema, fragments);
  collector.addOperation(operation);
  return [...collector.found];
}

interface Selected {
  type: GraphQLCompositeType;
  set: SelectionSetNode;
}

interface SelectedField {
  coordinate: string;
  field: GraphQLField<unknown, unknown>;
  node: FieldNode;
}

type FieldsByName = Map<string, SelectedField[]>;

class Collector {
  readonly found = new Set<string>();
  /** Declared types of the variables. */
  readonly #variables = new Map<string, string>();

  constructor(
    private readonly schema: GraphQLSchema,
    private readonly fragments: Fragments,
  ) {}

  addOperation({ operation, directives, variableDefinitions = [], selectionSet }: OperationDefinitionNode) {
    this.#addDirectives(directives);
    for (const { variable, type, defaultValue, directives: ofVariable } of variableDefinitions) {
      this.#variables.set(variable.name.value, print(type));
      this.#addDirectives(ofVariable);
      const declared = typeFromAST(this.schema, type as never) as GraphQLInputType | undefined;
      if (!declared || !isInputType(declared)) continue;
      const named = getNamedType(declared);
      if (!isSpecifiedScalarType(named)) this.found.add(named.name);
      if (defaultValue) this.#addLiteral(declared, defaultValue);
    }
    const root = this.schema.getRootType(operation);
    if (root) this.#addMerged([{ type: root, set: selectionSet }]);
  }

  /** Selection sets that are merged in the response: those of all fields with one response name. */
  #addMerged(selected: readonly Selected[]): void {
    const byName: FieldsByName = new Map();
    const spread = new Set<string>();
    for (const { type, set } of selected) this.#gather(type, set, byName, spread);
    for (const fields of byName.values()) {
      this.#addPairs(fields);
      const below = fields.flatMap(({ field, node }): Selected[] => {
        const type = getNamedType(field.type);
        return node.selectionSet && isCompositeType(type) ? [{ type, set: node.selectionSet }] : [];
      });
      if (below.length > 0) this.#addMerged(below);
    }
  }

  #gather(
    type: GraphQLCompositeType,
    { selections }: SelectionSetNode,
    byName: FieldsByName,
    spread: Set<string>,
  ): void {
    for (const selection of selections) {
      this.#addDirectives(selection.directives);
      if (selection.kind === Kind.FIELD) {
        this.#addField(type, selection, byName);
        continue;
      }
      if (selection.kind === Kind.INLINE_FRAGMENT) {
        const { typeCondition, selectionSet } = selection;
        const on = typeCondition ? this.#addCondition(type, typeCondition.name.value) : type;
        if (on) this.#gather(on, selectionSet, byName, spread);
        continue;
      }
      const name = selection.name.value;
      const fragment = this.fragments[name];
      const on = fragment && this.#addCondition(type, fragment.typeCondition.name.value);
      if (!on || spread.has(name)) continue;
      spread.add(name);
      this.#addDirectives(fragment.directives);
      this.#gather(on, fragment.selectionSet, byName, spread);
    }
  }

  #addCondition(parent: GraphQLCompositeType, name: string): GraphQLCompositeType | undefined {
    const type = this.schema.getType(name);
    if (!isCompositeType(type)) return undefined;
    this.found.add(name);
    if (type !== parent) this.found.add(`${parent.name} ... on ${name}`);
    return type;
  }

  /** Fields of introspection belong to no type of the schema. */
  #addField(type: GraphQLCompositeType, node: FieldNode, byName: FieldsByName): void {
    const name = node.name.value;
    const field = isUnionType(type) || name.startsWith('__') ? undefined : type.getFields()[name];
    if (!field) return;
    const coordinate = `${type.name}.${name}`;
    this.found.add(coordinate);
    this.#addArguments(coordinate, field.args, node.arguments);
    const responseName = node.alias?.value ?? name;
    const same = byName.get(responseName);
    if (same) same.push({ coordinate, field, node });
    else byName.set(responseName, [{ coordinate, field, node }]);
  }

  /** Neighbors are enough: to have the same shape is an equivalence relation. */
  #addPairs(fields: readonly SelectedField[]): void {
    if (fields.length === 1) return;
    const sorted = [...new Set(fields.map(({ coordinate }) => coordinate))].sort();
    for (let index = 1; index < sorted.length; index += 1) {
      this.found.add(`${sorted[index - 1]} & ${sorted[index]}`);
    }
  }

  #addDirectives(directives: readonly DirectiveNode[] = []): void {
    for (const { name, arguments: given = [] } of directives) {
      const declared = this.schema.getDirective(name.value);
      if (!declared || isSpecifiedDirective(declared)) continue;
      this.found.add(`@${declared.name}`);
      this.#addArguments(`@${declared.name}`, declared.args, given);
    }
  }

  #addArguments(
    owner: string,
    declared: readonly GraphQLArgument[],
    given: readonly ArgumentNode[] = [],
  ): void {
    for (const { name, value } of given) {
      const type = declared.find((one) => one.name === name.value)?.type;
      if (type) this.#addValue(`${owner}(${name.value}:)`, type, value);
    }
  }

  /** The value of an argument or of an input field. */
  #addValue(coordinate: string, type: GraphQLInputType, value: ValueNode): void {
    this.found.add(coordinate);
    if (value.kind === Kind.NULL) this.found.add(`${coordinate} = null`);
    if (value.kind === Kind.LIST) this.found.add(`${coordinate} = list`);
    if (value.kind === Kind.VARIABLE) {
      this.found.add(`${coordinate} = $${this.#variables.get(value.name.value)}`);
    }
    this.#addLiteral(type, value);
  }

  #addLiteral(given: GraphQLInputType, value: ValueNode): void {
    const type = getNullableType(given);
    if (value.kind === Kind.VARIABLE || value.kind === Kind.NULL) return;
    if (isListType(type)) {
      const values = value.kind === Kind.LIST ? value.values : [value];
      for (const one of values) this.#addLiteral(type.ofType, one);
    } else if (isEnumType(type) && value.kind === Kind.ENUM) {
      this.found.add(`${type.name}.${value.value}`);
    } else if (isInputObjectType(type) && value.kind === Kind.OBJECT) {
      this.found.add(type.name);
      for (const { name, value: ofField } of value.fields) {
        const field = type.getFields()[name.value];
        if (field) this.#addValue(`${type.name}.${name.value}`, field.type, ofField);
      }
    }
  }
}
