import type { GraphQLSchema, OperationDefinitionNode } from 'graphql';
import { coordinatesOf, type Fragments } from './coordinates.js';
import { copyOf } from './copy-of.js';
import { VariableUse } from './variable-use.js';

/** Uses of the schema by an operation. */
export interface OperationUse {
  /** Coordinates of its text. */
  coordinates: readonly string[];
  /** Coordinates of the values of its variables; undefined when they have none. */
  variables: VariableUse | undefined;
}

export function operationUse(
  schema: GraphQLSchema,
  definition: OperationDefinitionNode,
  fragments: Fragments,
): OperationUse {
  return {
    coordinates: coordinatesOf(schema, definition, fragments).map(copyOf),
    variables: VariableUse.of(schema, definition),
  };
}
