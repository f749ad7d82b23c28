/** Errors of fields, with the messages of graphql-js. */
import { type GraphQLAbstractType, GraphQLError, type GraphQLObjectType, locatedError } from 'graphql';
import { inspect } from 'graphql/jsutils/inspect.js';
import type { FieldPlan } from './plan.js';

/** Errors with unexpected properties can make `locatedError` throw. */
export function located(error: unknown, { nodes }: FieldPlan, path: (string | number)[]): GraphQLError {
  try {
    return locatedError(error, nodes as never, path);
  } catch (problem) {
    return locatedError(problem, nodes as never, path);
  }
}

export function nullOfNonNull(field: FieldPlan): Error {
  return new Error(`Cannot return null for non-nullable field ${nameOf(field)}.`);
}

export function notIterable(field: FieldPlan): GraphQLError {
  return new GraphQLError(`Expected Iterable, but did not find one for field "${nameOf(field)}".`);
}

export function unknownRuntimeType(
  field: FieldPlan,
  type: GraphQLAbstractType,
  name: unknown,
  value: unknown,
): GraphQLError {
  return new GraphQLError(
    `Abstract type "${type.name}" was resolved to ${inspect(name)} for field "${nameOf(field)}", which is none of its types: ${inspect(value)}`,
    { nodes: field.nodes },
  );
}

export function notOfType(field: FieldPlan, type: GraphQLObjectType, value: unknown): GraphQLError {
  return new GraphQLError(`Expected value of type "${type.name}" but got: ${inspect(value)}.`, {
    nodes: field.nodes,
  });
}

function nameOf({ parentType, name }: FieldPlan): string {
  return `${parentType.name}.${name}`;
}
