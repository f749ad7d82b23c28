/** Input fields and enum values in the values of variables. Each request is read, because values differ. */
import {
  type GraphQLInputType,
  type GraphQLSchema,
  getNamedType,
  isEnumType,
  isInputObjectType,
  isInputType,
  type OperationDefinitionNode,
  typeFromAST,
} from 'graphql';
import { copyOf } from './copy-of.js';

/** Coordinates of the values of one type. Lists need no entry of their own. */
interface InputUse {
  /** Coordinate of an input object type. */
  type?: string;
  fields?: Map<string, FieldUse>;
  /** Coordinates of enum values by name. */
  values?: Map<string, string>;
}

/** Coordinates of an input field, for each form of its value. */
interface FieldUse {
  coordinate: string;
  null: string;
  list: string;
  use: InputUse | undefined;
}

type Variables = Readonly<Record<string, unknown>>;

/** By schema and name of the type, because input object types can refer to themselves. */
const known = new WeakMap<GraphQLSchema, Map<string, InputUse>>();

export class VariableUse {
  private constructor(private readonly uses: readonly { name: string; use: InputUse }[]) {}

  /** Undefined when no variable can have an input field or an enum value. */
  static of(schema: GraphQLSchema, operation: OperationDefinitionNode): VariableUse | undefined {
    const uses = (operation.variableDefinitions ?? []).flatMap(({ variable, type }) => {
      const declared = typeFromAST(schema, type as never) as GraphQLInputType | undefined;
      const use = declared && isInputType(declared) ? useOf(schema, declared) : undefined;
      return use ? [{ name: copyOf(variable.name.value), use }] : [];
    });
    return uses.length > 0 ? new VariableUse(uses) : undefined;
  }

  /** Calls `add` with each use. The values must be valid, and not coerced: coercion adds defaults. */
  forEach(values: Variables, add: (coordinate: string) => void): void {
    for (const { name, use } of this.uses) addUses(use, values[name], add);
  }
}

function addUses(use: InputUse, value: unknown, add: (coordinate: string) => void): void {
  if (value === null || value === undefined) return;
  if (Array.isArray(value)) {
    for (const one of value) addUses(use, one, add);
    return;
  }
  if (use.values) {
    const coordinate = use.values.get(value as string);
    if (coordinate) add(coordinate);
    return;
  }
  if (use.type) add(use.type);
  for (const name in value as object) {
    const field = use.fields?.get(name);
    if (!field) continue;
    const given = (value as Variables)[name];
    add(field.coordinate);
    if (given === null) add(field.null);
    else if (Array.isArray(given)) add(field.list);
    if (field.use) addUses(field.use, given, add);
  }
}

function useOf(schema: GraphQLSchema, declared: GraphQLInputType): InputUse | undefined {
  const type = getNamedType(declared);
  if (!isEnumType(type) && !isInputObjectType(type)) return undefined;
  const byName = known.get(schema) ?? new Map<string, InputUse>();
  known.set(schema, byName);
  const before = byName.get(type.name);
  if (before) return before;
  const use: InputUse = {};
  byName.set(type.name, use);
  if (isEnumType(type)) {
    use.values = new Map(type.getValues().map(({ name }) => [name, `${type.name}.${name}`]));
    return use;
  }
  use.type = type.name;
  use.fields = new Map(
    Object.values(type.getFields()).map(({ name, type: ofField }) => {
      const coordinate = `${type.name}.${name}`;
      const forms = { null: `${coordinate} = null`, list: `${coordinate} = list` };
      return [name, { coordinate, ...forms, use: useOf(schema, ofField) }];
    }),
  );
  return use;
}
