import { defaultFieldResolver, type GraphQLSchema, getNamedType, isLeafType, isObjectType } from 'graphql';
import { inSpan, isRecording, isTracing } from '../../../contract/tracing/tracing.js';

/**
 * Creates spans for resolvers that can take time: fields of the root types, and fields that return
 * objects. Spans of scalar fields would be noise. Without tracing the schema is not modified.
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
      const options = { attributes: { 'graphql.field.name': name } };
      field.resolve = (source, args, context, info) =>
        isRecording()
          ? inSpan(name, options, async () => resolve(source, args, context, info))
          : resolve(source, args, context, info);
    }
  }
}
