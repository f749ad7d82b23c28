/**
 * Facade of OpenTelemetry. It is loaded only when an endpoint is configured; otherwise a span costs
 * one comparison.
 */
import type * as OpenTelemetry from '@opentelemetry/api';
import type { Context, Span, Tracer } from '@opentelemetry/api';
import { AsyncValue, type AsyncValues, runWith } from '../async-value.js';

export type SpanAttributes = Record<string, string | number | boolean>;

export interface SpanOptions {
  kind?: 'server' | 'client' | 'producer' | 'consumer' | 'internal';
  attributes?: SpanAttributes;
  /** Request headers of the caller, for the first span of a request. */
  parent?: Record<string, unknown>;
}

const KINDS = {
  server: 'SERVER',
  client: 'CLIENT',
  producer: 'PRODUCER',
  consumer: 'CONSUMER',
  internal: 'INTERNAL',
} as const;

interface Tracing {
  api: typeof OpenTelemetry;
  tracer: Tracer;
}

let tracing: Tracing | undefined;

/** The context of OpenTelemetry, which contains the active span. */
export const activeContext = new AsyncValue<Context>('trace');

/** Called once by `startExport`. */
export function useTracing(given: Tracing | undefined): void {
  tracing = given;
}

export function isTracing(): boolean {
  return tracing !== undefined;
}

/**
 * Whether a span that starts now can be exported. Without it, and in a trace that is not sampled, a
 * span would only cost CPU time: up to a third more for a request with many resolvers.
 */
export function isRecording(): boolean {
  return tracing !== undefined && isActiveSampled(tracing) !== false;
}

/** Runs `work` in a span, unless it would not be exported. An error is recorded on the span. */
export function inSpan<T>(name: string, options: SpanOptions, work: () => Promise<T>): Promise<T> {
  return isRecording() ? inStartedSpan(startSpan(name, options), work) : work();
}

/** Like `inSpan`, but only in an active span: background work without one creates no trace of its own. */
export function inChildSpan<T>(name: string, options: SpanOptions, work: () => Promise<T>): Promise<T> {
  return tracing && isActiveSampled(tracing) ? inStartedSpan(startSpan(name, options), work) : work();
}

/** Not the span's `isRecording`: a span that has ended records no more, but can have children. */
function isActiveSampled({ api }: Tracing): boolean | undefined {
  const span = api.trace.getActiveSpan();
  return span && (span.spanContext().traceFlags & api.TraceFlags.SAMPLED) !== 0;
}

/** Adds attributes to the active span. */
export function addSpanAttributes(attributes: SpanAttributes): void {
  tracing?.api.trace.getActiveSpan()?.setAttributes(attributes);
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
  if (!tracing) return undefined;
  const { context, propagation, SpanKind } = tracing.api;
  const from = parent ? propagation.extract(context.active(), parent) : context.active();
  const span = tracing.tracer.startSpan(name, { kind: SpanKind[KINDS[kind]] }, from);
  // Afterwards, because the library would check the attributes of each span that it drops.
  if (attributes && span.isRecording()) span.setAttributes(attributes);
  return span;
}

export function failSpan(span: Span | undefined, error: unknown): void {
  if (!span || !tracing) return;
  const { code, name } = (error ?? {}) as { code?: unknown; name?: unknown };
  // Not the message, because it can quote user data.
  span.setAttribute('error.type', String(code ?? name ?? 'Error'));
  span.setStatus({ code: tracing.api.SpanStatusCode.ERROR });
}

/** The values with which work is a child of the span. */
export function valuesOfSpan(span: Span | undefined): AsyncValues {
  if (!span || !tracing) return {};
  const { context, trace } = tracing.api;
  return activeContext.with(trace.setSpan(context.active(), span));
}

/** Runs `work` as a child of the span. */
export function withSpan<T>(span: Span | undefined, work: () => T): T {
  return span && tracing ? runWith(valuesOfSpan(span), work) : work();
}

/** Headers that propagate the trace to another service. */
export function traceHeaders(): Record<string, string> {
  const headers: Record<string, string> = {};
  tracing?.api.propagation.inject(tracing.api.context.active(), headers);
  return headers;
}

/** IDs of the active span, for log lines. */
export function activeTrace(): { traceId: string; spanId: string } | undefined {
  const { traceId, spanId } = tracing?.api.trace.getActiveSpan()?.spanContext() ?? {};
  return traceId && spanId ? { traceId, spanId } : undefined;
}
