import { trace } from '@opentelemetry/api';
import { isTracing } from './tracing.js';

/** Says on the request's span which operation it was. */
export function nameOperation(type: string, name: string | undefined): void {
  if (!isTracing()) return;
  trace.getActiveSpan()?.setAttributes({
    'graphql.operation.type': type,
    ...(name && { 'graphql.operation.name': name.slice(0, 100) }),
  });
}
