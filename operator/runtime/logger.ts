import { type Logger, pino } from 'pino';

/** Logs JSON lines to stdout. Fields that can contain credentials are redacted. */
export function createLogger(level: string): Logger {
  return pino({
    level,
    base: undefined,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: {
      paths: ['*.authorization', '*.password', '*.token', '*.secret', 'headers.authorization'],
      censor: '[cut]',
    },
  });
}
