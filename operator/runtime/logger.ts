import { type Logger, pino } from 'pino';

/** JSON lines on stdout. What may hold a credential is cut out. */
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
