import { type Logger, pino, stdSerializers } from 'pino';
import { LogOutput } from '../../../contract/log-output.js';
import { activeTrace } from '../../../contract/tracing/tracing.js';
import { redactUrls } from './redact.js';
import { requestContext } from './request-context.js';

export type { Logger };

const WARN = 40;
const SERVER_DELAY_MS = 100;

/**
 * Creates a JSON logger. Lines contain the ID of their request. Credentials in messages and errors
 * are redacted: errors of the driver can quote the URL. Warnings and errors are written immediately.
 */
export function createLogger(level: string, stream: 'stdout' | 'stderr' = 'stdout'): Logger {
  const output = stream === 'stdout' ? new LogOutput(1, SERVER_DELAY_MS) : new LogOutput(2);
  return pino(
    {
      level,
      hooks: {
        logMethod(args, method, of) {
          method.apply(this, args);
          if (of >= WARN) output.flush();
        },
      },
      base: { pid: process.pid },
      timestamp: isoTime,
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
    output,
  );
}

let second = 0;
let upToSecond = '';

/** Like pino's own, which formats the complete time for each line. */
function isoTime(): string {
  const now = Date.now();
  const ms = now % 1_000;
  if (now - ms !== second) {
    second = now - ms;
    upToSecond = `,"time":"${new Date(second).toISOString().slice(0, 20)}`;
  }
  return `${upToSecond}${String(ms).padStart(3, '0')}Z"`;
}

function serializeError(error: Error) {
  const { type, message, stack, code } = stdSerializers.err(error) as Record<string, string | undefined>;
  return { type, code, message: redactUrls(message ?? ''), stack: redactUrls(stack ?? '') };
}
