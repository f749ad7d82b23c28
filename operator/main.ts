#!/usr/bin/env node
import { setFlagsFromString } from 'node:v8';
import { LogOutput } from '../contract/log-output.js';
import { createLogger } from './runtime/logger.js';
import { readSettings } from './settings.js';

/** Open handles must not keep the process alive longer than this. */
const EXIT_DEADLINE_MS = 3_000;

const settings = readSettings(process.argv);
const log = createLogger(settings.logLevel, new LogOutput(1));
try {
  if (settings.command === 'check-uninstall') {
    const { checkUninstall } = await import('./uninstall-check.js');
    const obstacle = await checkUninstall(settings.namespaces);
    if (obstacle) {
      console.error(obstacle);
      process.exitCode = 1;
    }
  } else {
    // Imported late, because `--help` and errors in the settings do not need it.
    const { PcfOperator } = await import('./operator.js');
    // The operator is bound by the latency of the API server, not by CPU: more frequent garbage collection halves its
    // memory use. Not before the modules are loaded, which it would delay by a quarter.
    setFlagsFromString('--optimize-for-size');
    const stopTracing = await startTracing();
    const operator = new PcfOperator(settings, log);
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => operator.stop());
    await operator.start().finally(() => stopTracing?.());
  }
} catch (error) {
  log.fatal({ err: error }, 'operator failed');
  process.exitCode = 1;
}
setTimeout(() => process.exit(), EXIT_DEADLINE_MS).unref();

/** Without an endpoint, the SDK is not loaded. */
async function startTracing(): Promise<(() => Promise<void>) | undefined> {
  if (!settings.tracing) return undefined;
  const { startExport } = await import('../contract/tracing/start-tracing.js');
  return startExport({
    ...settings.tracing,
    resource: { 'service.name': 'pcf-operator' },
    onFailure: (err) => log.warn({ err }, 'exporting spans failed, spans are lost'),
  });
}
