/** Graceful shutdown: requests in progress are completed. */
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import type { Settings } from '../config/schema.js';
import type { Logger } from '../observability/logging/logger.js';

export interface Closeable {
  name: string;
  close(): Promise<unknown> | unknown;
}

export interface ShutdownParts {
  settings: Settings['shutdown'];
  readinessOff(): void;
  app: FastifyInstance;
  /** Long-lived connections such as subscriptions. They are closed when no new connections are accepted. */
  endless?: Closeable[];
  /** Closed one after the other when no request is in progress. */
  closeables: Closeable[];
  closeTimeouts?: typeof CLOSE_TIMEOUTS;
  log: Logger;
}

/**
 * Timeouts for closing one resource, and all of them, in milliseconds. With the default `delay` and `timeout` the
 * process terminates within the grace period of 45 s, even if nothing that it is connected to responds.
 */
const CLOSE_TIMEOUTS = { each: 5_000, all: 8_000 };

/**
 * Sets readiness to false, and serves until load balancers have removed the pod. Then it stops
 * accepting connections, closes long-lived ones, and waits for requests in progress until the
 * timeout. Finally it closes the other resources.
 */
export async function shutDown(parts: ShutdownParts): Promise<void> {
  const { settings, readinessOff, app, endless = [], closeables, log } = parts;
  const { each, all } = parts.closeTimeouts ?? CLOSE_TIMEOUTS;
  const sockets = trackedSockets(app);
  readinessOff();
  log.info({ delayMs: settings.delay }, 'shutting down, readiness off, still serving');
  await sleep(settings.delay);

  log.info({ timeoutMs: settings.timeout }, 'shutting down, waiting for requests in progress');
  if (!(await drain(app, endless, settings.timeout, log))) {
    log.warn({ sockets: sockets.size }, 'shutdown timeout exceeded, aborting requests in progress');
    for (const socket of sockets) socket.destroy();
  }
  const closedBy = performance.now() + all;
  for (const closeable of closeables)
    await closeInTime(closeable, log, Math.min(each, closedBy - performance.now()));
  log.info('shut down');
}

const socketsOf = new WeakMap<FastifyInstance, Set<Socket>>();

/**
 * Tracks the sockets of the server, including those of HTTP/2, which Node's closeAllConnections
 * does not cover. Call it before the server listens.
 */
export function trackSockets(app: FastifyInstance): void {
  const sockets = new Set<Socket>();
  socketsOf.set(app, sockets);
  app.server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
}

function trackedSockets(app: FastifyInstance): Set<Socket> {
  return socketsOf.get(app) ?? new Set();
}

async function closeInTime(
  { name, close }: Closeable,
  log: Logger,
  timeoutMs = CLOSE_TIMEOUTS.each,
): Promise<void> {
  const closed = Promise.resolve()
    .then(close)
    .then(() => true);
  const inTime = await Promise.race([closed, sleep(Math.max(0, timeoutMs), false)]).catch(
    (error: unknown) => {
      log.warn({ err: error, name }, 'closing failed');
      return true;
    },
  );
  if (!inTime) log.warn({ name }, 'did not close in time');
}

/** Whether all requests finished in time. */
async function drain(
  app: FastifyInstance,
  endless: Closeable[],
  timeoutMs: number,
  log: Logger,
): Promise<boolean> {
  // Connections that become idle after the server is closed would otherwise stay open until their
  // timeout.
  const closeIdle = setInterval(() => app.server.closeIdleConnections?.(), 100);
  try {
    const closed = app.close().then(() => true);
    const ended = Promise.all(endless.map((closeable) => closeInTime(closeable, log)));
    return await Promise.race([Promise.all([closed, ended]).then(() => true), sleep(timeoutMs, false)]);
  } finally {
    clearInterval(closeIdle);
  }
}

/** Calls `stop` on the first signal and `hurry` on the second. */
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
