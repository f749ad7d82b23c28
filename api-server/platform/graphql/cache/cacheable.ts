/** Which operations' answers may be kept: those whose every root field says for how long. */
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

/** On a query: its answer may be kept that long, unless what it was made of changes before. */
export function Cached(seconds: number) {
  return Extensions({ cacheSeconds: seconds });
}

/** 0: not at all. */
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
        // It differs from one identity to the next, whatever else they may see alike.
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
