/** Cacheability of operations: every root field must declare a maximum age. */
import {
  type DocumentNode,
  type GraphQLField,
  type GraphQLSchema,
  type OperationDefinitionNode,
  TypeInfo,
  visit,
  visitWithTypeInfo,
} from 'graphql';
import { Extensions } from 'type-graphql';

interface Declared {
  cacheSeconds?: unknown;
  access?: { personal?: unknown };
}

/** Declares the maximum age of the response of a query. A change of its data invalidates it earlier. */
export function Cached(seconds: number) {
  return Extensions({ cacheSeconds: seconds });
}

/** 0 when the operation is not cacheable. */
export function cacheSecondsOf(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
): number {
  if (operation.operation !== 'query') return 0;
  const root = schema.getQueryType();
  const info = new TypeInfo(schema);
  let seconds = Number.POSITIVE_INFINITY;
  visit(
    document,
    visitWithTypeInfo(info, {
      Field() {
        const field = info.getFieldDef();
        if (info.getParentType() === root) seconds = Math.min(seconds, secondsOf(field));
        // Personal fields differ per identity, even with the same cache scope.
        if ((field?.extensions as Declared | undefined)?.access?.personal) seconds = 0;
      },
    }),
  );
  return Number.isFinite(seconds) ? seconds : 0;
}

function secondsOf(field: GraphQLField<unknown, unknown> | null | undefined): number {
  const { cacheSeconds } = (field?.extensions ?? {}) as Declared;
  return typeof cacheSeconds === 'number' ? cacheSeconds : 0;
}
