/** Compatibility of types of two schemas, by their names and modifiers. */
import {
  type GraphQLArgument,
  type GraphQLInputField,
  type GraphQLInputType,
  type GraphQLOutputType,
  isLeafType,
  isListType,
  isNamedType,
  isNonNullType,
  Kind,
  type TypeNode,
} from 'graphql';

export type Input = GraphQLArgument | GraphQLInputField;

/** Whether each result of the new type is one of the old type. */
export function isSafeOutput(from: GraphQLOutputType, to: GraphQLOutputType): boolean {
  if (isNonNullType(from)) return isNonNullType(to) && isSafeOutput(from.ofType, to.ofType);
  if (isNonNullType(to)) return isSafeOutput(from, to.ofType);
  if (isListType(from)) return isListType(to) && isSafeOutput(from.ofType, to.ofType);
  return isNamedType(to) && from.name === to.name;
}

/** Whether each value and variable of the old type is one of the new type. */
export function isSafeInput(from: GraphQLInputType, to: GraphQLInputType): boolean {
  if (isNonNullType(from)) return isSafeInput(from.ofType, isNonNullType(to) ? to.ofType : to);
  if (isNonNullType(to)) return false;
  if (isListType(from)) return isListType(to) && isSafeInput(from.ofType, to.ofType);
  return isNamedType(to) && from.name === to.name;
}

/** Whether fields of these types can have the same name in a result. */
export function haveSameShape(a: GraphQLOutputType, b: GraphQLOutputType): boolean {
  if (isNonNullType(a) || isNonNullType(b)) {
    return isNonNullType(a) && isNonNullType(b) && haveSameShape(a.ofType, b.ofType);
  }
  if (isListType(a) || isListType(b)) {
    return isListType(a) && isListType(b) && haveSameShape(a.ofType, b.ofType);
  }
  return isLeafType(a) || isLeafType(b) ? a.name === b.name : true;
}

/** As the validation rule VariablesInAllowedPosition. A nullable variable can be null, whatever its default is. */
export function isSafeVariable(variable: TypeNode, before: Input, after: Input): boolean {
  if (!isNonNullType(after.type) || variable.kind === Kind.NON_NULL_TYPE) return fits(variable, after.type);
  const lostDefault = before.defaultValue !== undefined && after.defaultValue === undefined;
  return isNonNullType(before.type) && !lostDefault && fits(variable, after.type.ofType);
}

function fits(variable: TypeNode, type: GraphQLInputType): boolean {
  if (isNonNullType(type)) return variable.kind === Kind.NON_NULL_TYPE && fits(variable.type, type.ofType);
  if (variable.kind === Kind.NON_NULL_TYPE) return fits(variable.type, type);
  if (isListType(type)) return variable.kind === Kind.LIST_TYPE && fits(variable.type, type.ofType);
  return variable.kind === Kind.NAMED_TYPE && isNamedType(type) && variable.name.value === type.name;
}
