import { trace } from '@opentelemetry/api';
import { isTracing } from '../../../contract/tracing/tracing.js';

/** Adds the operation to the span of the request. */
export function nameOperation(type: string, name: string | undefined): void {
  if (!isTracing()) return;
  trace.getActiveSpan()?.setAttributes({
    'graphql.operation.type': type,
    ...(name && { 'graphql.operation.name': name.slice(0, 100) }),
  });
}
