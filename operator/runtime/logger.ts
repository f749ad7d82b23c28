import { type DestinationStream, type Logger, type LoggerOptions, pino } from 'pino';

/** Logs JSON lines. Fields that can contain credentials are redacted. */
export function createLogger(level: string, output: DestinationStream): Logger {
  const options: LoggerOptions = {
    level,
    base: undefined,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: {
      paths: ['*.authorization', '*.password', '*.token', '*.secret', 'headers.authorization'],
      censor: '[cut]',
    },
  };
  return pino(options, output);
}
