/** Starts the SDK of OpenTelemetry, which is loaded only then: without tracing it uses no memory. */
import type { Context, ContextManager } from '@opentelemetry/api';
import { activeContext, useTracing } from './tracing.js';

/** Timeout of an export including its retries; shorter than the shutdown timeout. */
const EXPORT_MS = 2_000;

export interface ExportOptions {
  /** OTLP/HTTP endpoint of traces. The exporter reads headers and certificates from OTEL_EXPORTER_OTLP_*. */
  url: string;
  /** Share of traces that are exported, from 0 to 1. */
  sampleRatio: number;
  /** Attributes of this process. Empty ones are omitted. */
  resource: Record<string, string> & { 'service.name': string };
  /** Called once: an unavailable collector would otherwise fill the log. */
  onFailure(error: unknown): void;
}

/** Exports the spans of `inSpan`. Returns a function that flushes the remaining spans. */
export async function startExport(options: ExportOptions): Promise<() => Promise<void>> {
  const [api, sdk, { OTLPTraceExporter }, resources, core] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/sdk-trace'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/resources'),
    import('@opentelemetry/core'),
  ]);
  const lost = once(options.onFailure);
  core.setGlobalErrorHandler(lost);
  const processor = new sdk.BatchSpanProcessor({
    exporter: new OTLPTraceExporter({ url: options.url, timeoutMillis: EXPORT_MS }),
  });
  const given = Object.entries(options.resource).filter(([, value]) => value !== '');
  const provider = new sdk.TracerProvider({
    resource: resources
      .resourceFromAttributes({
        'service.instance.id': `${process.env.HOSTNAME ?? 'local'}-${process.pid}`,
        ...Object.fromEntries(given),
      })
      // OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME take precedence.
      .merge(resources.detectResources({ detectors: [resources.envDetector] })),
    sampler: new sdk.ParentBasedSampler({ root: new sdk.TraceIdRatioBasedSampler(options.sampleRatio) }),
    spanProcessors: [processor],
  });
  api.context.setGlobalContextManager(contextManager(api.ROOT_CONTEXT));
  api.propagation.setGlobalPropagator(new core.W3CTraceContextPropagator());
  const { 'service.name': name, 'service.version': version } = options.resource;
  useTracing({ api, tracer: provider.getTracer(name, version) });
  return async () => {
    useTracing(undefined);
    await provider.shutdown().catch(lost);
  };
}

function contextManager(root: Context): ContextManager {
  const manager: ContextManager = {
    active: () => activeContext.getStore() ?? root,
    with: (context, work, thisArg, ...args) => activeContext.run(context, () => work.call(thisArg, ...args)),
    bind: <T>(context: Context, target: T): T => {
      if (typeof target !== 'function') return target;
      return function (this: unknown, ...args: unknown[]) {
        return activeContext.run(context, () => target.apply(this, args));
      } as T;
    },
    enable: () => manager,
    disable: () => manager,
  };
  return manager;
}

function once(report: (error: unknown) => void): (error: unknown) => void {
  let isReported = false;
  return (error) => {
    if (!isReported) report(error);
    isReported = true;
  };
}
