/** The orderly end: nobody who was promised an answer goes without one. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import type { Settings } from '../config/schema.js';
import type { Logger } from './logging/logger.js';

export interface ShutdownParts {
  settings: Settings['shutdown'];
  readinessOff(): void;
  app: FastifyInstance;
  /** Closed one after the other once no request is left. */
  closeables: { name: string; close(): Promise<unknown> | unknown }[];
  log: Logger;
}

/** What closing may take when the requests are gone, in ms. */
const CLOSE_MS = 5_000;

/**
 * Readiness off; go on serving until the endpoints have noticed; take no new
 * connection and let the running requests end, up to a deadline; close the rest.
 */
export async function shutDown({
  settings,
  readinessOff,
  app,
  closeables,
  log,
}: ShutdownParts): Promise<void> {
  readinessOff();
  log.info({ delayMs: settings.delay }, 'shutting down: readiness is off, still serving');
  await sleep(settings.delay);

  log.info({ timeoutMs: settings.timeout }, 'shutting down: letting the running requests end');
  if (!(await drain(app, settings.timeout))) {
    log.warn('requests were still running at the deadline and are cut off');
    app.server.closeAllConnections();
  }
  for (const { name, close } of closeables) {
    const closed = Promise.resolve(close()).then(() => true);
    const inTime = await Promise.race([closed, sleep(CLOSE_MS, false)]).catch((error: unknown) => {
      log.warn({ err: error, name }, 'closing failed');
      return true;
    });
    if (!inTime) log.warn({ name }, 'did not close in time');
  }
  log.info('shut down');
}

/** Whether all requests ended in time. */
async function drain(app: FastifyInstance, timeoutMs: number): Promise<boolean> {
  // A connection that falls idle after the server has closed would otherwise stay open until it times out.
  const closeIdle = setInterval(() => app.server.closeIdleConnections(), 100);
  try {
    const closed = app.close().then(() => true);
    return await Promise.race([closed, sleep(timeoutMs, false)]);
  } finally {
    clearInterval(closeIdle);
  }
}

/** Calls `stop` at the first signal and `hurry` at the second. */
export function onSignals(stop: () => void, hurry: () => void): void {
  let asked = false;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (asked) return hurry();
      asked = true;
      stop();
    });
  }
}
