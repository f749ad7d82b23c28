import { defaultFieldResolver, type GraphQLSchema, getNamedType, isLeafType, isObjectType } from 'graphql';
import { inSpan, isTracing } from './tracing.js';

/**
 * A span for each resolver that can take time: those of the root types, and those
 * that lead to objects. Plain values would only be noise. Without tracing the
 * schema is left as it is.
 */
export function traceResolvers(schema: GraphQLSchema): void {
  if (!isTracing()) return;
  const roots = [schema.getQueryType(), schema.getMutationType()];
  for (const type of Object.values(schema.getTypeMap())) {
    if (!isObjectType(type) || type.name.startsWith('__')) continue;
    for (const field of Object.values(type.getFields())) {
      const { resolve } = field;
      if (!resolve || resolve === defaultFieldResolver) continue;
      if (!roots.includes(type) && isLeafType(getNamedType(field.type))) continue;
      const name = `${type.name}.${field.name}`;
      field.resolve = (source, args, context, info) =>
        inSpan(name, { attributes: { 'graphql.field.name': name } }, async () =>
          resolve(source, args, context, info),
        );
    }
  }
}
