import { destination, type Logger, pino, stdSerializers } from 'pino';
import { activeTrace } from '../../../contract/tracing/tracing.js';
import { redactUrls } from './redact.js';
import { requestContext } from './request-context.js';

export type { Logger };

const WARN = 40;
type SonicBoom = ReturnType<typeof destination>;

/**
 * Creates a JSON logger. Lines contain the ID of their request. Credentials in messages and errors
 * are redacted: errors of the driver can quote the URL.
 */
export function createLogger(level: string, stream: 'stdout' | 'stderr' = 'stdout'): Logger {
  const target = stream === 'stdout' ? buffered(1) : destination({ dest: 2, sync: true });
  return pino(
    {
      level,
      hooks: {
        logMethod(args, method, of) {
          method.apply(this, args);
          if (of >= WARN) target.flushSync();
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
    target,
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

/**
 * Buffers lines, because one write per line would cost more than formatting it. The buffer is
 * flushed after a short time, and immediately after a warning or error.
 */
function buffered(dest: number): SonicBoom {
  const target = destination({ dest, sync: true, minLength: 4_096, periodicFlush: 100 });
  process.once('exit', () => target.flushSync());
  return target;
}

function serializeError(error: Error) {
  const { type, message, stack, code } = stdSerializers.err(error) as Record<string, string | undefined>;
  return { type, code, message: redactUrls(message ?? ''), stack: redactUrls(stack ?? '') };
}
