/**
 * Facade of OpenTelemetry. The SDK is loaded only when an endpoint is configured; otherwise a span
 * costs one comparison.
 */
import {
  context,
  propagation,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';

export interface SpanOptions {
  kind?: 'server' | 'client' | 'producer' | 'consumer' | 'internal';
  attributes?: Record<string, string | number | boolean>;
  /** Request headers of the caller, for the first span of a request. */
  parent?: Record<string, unknown>;
}

const KINDS = {
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
  internal: SpanKind.INTERNAL,
} as const;

let tracer: Tracer | undefined;

/** Called once by `startTracing`. */
export function useTracer(given: Tracer | undefined): void {
  tracer = given;
}

export function isTracing(): boolean {
  return tracer !== undefined;
}

/** Runs `work` in a span. An error is recorded on the span. */
export function inSpan<T>(name: string, options: SpanOptions, work: () => Promise<T>): Promise<T> {
  return tracer ? inStartedSpan(startSpan(name, options), work) : work();
}

async function inStartedSpan<T>(span: Span | undefined, work: () => Promise<T>): Promise<T> {
  try {
    return await withSpan(span, work);
  } catch (error) {
    failSpan(span, error);
    throw error;
  } finally {
    span?.end();
  }
}

/** Starts a span that the caller ends. */
export function startSpan(
  name: string,
  { kind = 'internal', attributes, parent }: SpanOptions,
): Span | undefined {
  const from = parent ? propagation.extract(context.active(), parent) : context.active();
  return tracer?.startSpan(name, { kind: KINDS[kind], attributes }, from);
}

export function failSpan(span: Span | undefined, error: unknown): void {
  if (!span) return;
  const { code, name } = (error ?? {}) as { code?: unknown; name?: unknown };
  // Not the message, because it can quote user data.
  span.setAttribute('error.type', String(code ?? name ?? 'Error'));
  span.setStatus({ code: SpanStatusCode.ERROR });
}

/** Runs `work` as a child of the span. */
export function withSpan<T>(span: Span | undefined, work: () => T): T {
  return span ? context.with(trace.setSpan(context.active(), span), work) : work();
}

/** Headers that propagate the trace to another service. */
export function traceHeaders(): Record<string, string> {
  const headers: Record<string, string> = {};
  if (tracer) propagation.inject(context.active(), headers);
  return headers;
}

/** IDs of the active span, for log lines. */
export function activeTrace(): { traceId: string; spanId: string } | undefined {
  if (!tracer) return undefined;
  const { traceId, spanId } = trace.getActiveSpan()?.spanContext() ?? {};
  return traceId && spanId ? { traceId, spanId } : undefined;
}
