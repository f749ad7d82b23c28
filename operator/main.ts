#!/usr/bin/env node
import { PcfOperator } from './operator.js';
import { createLogger } from './runtime/logger.js';
import { readSettings } from './settings.js';

const settings = readSettings(process.argv);
const log = createLogger(settings.logLevel);
try {
  const operator = new PcfOperator(settings, log);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => operator.stop());
  await operator.start();
} catch (error) {
  log.fatal({ err: error }, 'operator failed');
  process.exitCode = 1;
}
