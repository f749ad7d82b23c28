import { destination, type Logger, pino, stdSerializers } from 'pino';
import { activeTrace } from '../tracing/tracing.js';
import { redactUrls } from './redact.js';
import { requestContext } from './request-context.js';

export type { Logger };

/**
 * JSON lines with the id of the request they belong to. Credentials in messages
 * and errors are taken out: an error of the driver may quote the URL it was given.
 */
export function createLogger(level: string, stream: 'stdout' | 'stderr' = 'stdout'): Logger {
  return pino(
    {
      level,
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      mixin: () => ({ ...requestContext.getStore(), ...activeTrace() }),
      redact: [
        '*.password',
        '*.authorization',
        '*.cookie',
        'headers.authorization',
        'headers.cookie',
        '*.url',
        '*.token',
        '*.secret',
        '*.apiKey',
        'headers["x-api-key"]',
        'headers["set-cookie"]',
      ],
      serializers: { err: serializeError },
    },
    destination({ dest: stream === 'stdout' ? 1 : 2, sync: true }),
  );
}

function serializeError(error: Error) {
  const { type, message, stack, code } = stdSerializers.err(error) as Record<string, string | undefined>;
  return { type, code, message: redactUrls(message ?? ''), stack: redactUrls(stack ?? '') };
}
