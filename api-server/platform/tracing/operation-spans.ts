import type { ApolloServerPlugin, BaseContext } from '@apollo/server';
import { trace } from '@opentelemetry/api';
import { isTracing } from './tracing.js';

/** Says on the request's span which operation it was. */
export function operationSpans(): ApolloServerPlugin<BaseContext> {
  if (!isTracing()) return {};
  return {
    async requestDidStart() {
      return {
        async didResolveOperation({ operation, operationName }) {
          trace.getActiveSpan()?.setAttributes({
            'graphql.operation.type': operation?.operation ?? 'unknown',
            ...(operationName && { 'graphql.operation.name': operationName.slice(0, 100) }),
          });
        },
      };
    },
  };
}
