import { startExport } from '../../contract/tracing/start-tracing.js';
import type { Settings } from '../config/schema.js';
import type { Logger } from '../observability/logging/logger.js';

export interface TracingParts {
  settings: Settings['tracing'];
  serviceName: string;
  version: string;
  revision: string;
  log: Logger;
}

/** Returns a function that flushes the remaining spans; undefined when tracing is disabled. */
export async function startTracing(parts: TracingParts): Promise<(() => Promise<void>) | undefined> {
  const { settings, serviceName, version, revision, log } = parts;
  if (!settings.endpoint) return undefined;
  return startExport({
    url: settings.endpoint,
    sampleRatio: settings.sample_ratio,
    resource: { 'service.name': serviceName, 'service.version': version, 'pcf.revision': revision },
    onFailure: (err) => log.warn({ err }, 'exporting spans failed, spans are lost'),
  });
}
