/** Sets up OpenTelemetry. The SDK is imported only if an endpoint is configured. */
import type { Settings } from '../config/schema.js';
import type { Logger } from '../observability/logging/logger.js';
import { useTracer } from '../observability/tracing/tracing.js';

/** Timeout of an export including its retries; shorter than the shutdown timeout. */
const EXPORT_MS = 2_000;

export interface TracingParts {
  settings: Settings['tracing'];
  serviceName: string;
  version: string;
  revision: string;
  log: Logger;
}

/** Returns a function that flushes the remaining spans; undefined when tracing is disabled. */
export async function startTracing(parts: TracingParts): Promise<(() => Promise<void>) | undefined> {
  const { endpoint, sample_ratio: ratio } = parts.settings;
  if (!endpoint) return undefined;
  const [
    api,
    sdk,
    { OTLPTraceExporter },
    { resourceFromAttributes },
    { AsyncLocalStorageContextManager },
    core,
  ] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/sdk-trace'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/resources'),
    import('@opentelemetry/context-async-hooks'),
    import('@opentelemetry/core'),
  ]);
  const lost = warnOnce(parts.log);
  core.setGlobalErrorHandler(lost);
  const processor = new sdk.BatchSpanProcessor({
    exporter: new OTLPTraceExporter({ url: endpoint, timeoutMillis: EXPORT_MS }),
  });
  const provider = new sdk.TracerProvider({
    resource: resourceFromAttributes({
      'service.name': parts.serviceName,
      'service.version': parts.version,
      'service.instance.id': `${process.env.HOSTNAME ?? 'local'}-${process.pid}`,
      ...(parts.revision && { 'pcf.revision': parts.revision }),
    }),
    sampler: new sdk.ParentBasedSampler({ root: new sdk.TraceIdRatioBasedSampler(ratio) }),
    spanProcessors: [processor],
  });
  api.context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  api.propagation.setGlobalPropagator(new core.W3CTraceContextPropagator());
  useTracer(provider.getTracer('pcf-api', parts.version));
  return async () => {
    useTracer(undefined);
    await provider.shutdown().catch(lost);
  };
}

/** An unavailable collector would otherwise fill the log. */
function warnOnce(log: Logger): (error: unknown) => void {
  let told = false;
  return (error) => {
    if (!told) log.warn({ err: error }, 'exporting spans failed, spans are lost');
    told = true;
  };
}
