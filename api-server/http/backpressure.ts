/**
 * Load shedding: rejects requests with status 503 while the server is overloaded, instead of
 * queueing them.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { FastifyInstance } from 'fastify';
import { Counter, Gauge, type Registry } from 'prom-client';
import { PATHS } from '../../contract/image.js';
import type { Settings } from '../config/schema.js';
import { CODES } from '../errors.js';
import { errorBody } from './error-body.js';

/** Short, so that overload is detected before a long queue builds up, and its end soon after. */
const SAMPLE_MS = 250;
const RESOLUTION_MS = 20;
const RETRY_AFTER_SECONDS = 1;
const PROBES = new Set<string>([PATHS.live, PATHS.ready, PATHS.startup]);

export type Pressure = 'in flight' | 'event loop';

/** Register it before the hooks that do work for a request. */
export function addBackpressure(app: FastifyInstance, { server }: Settings, registry: Registry): void {
  const loop = new LoopDelay();
  let inFlight = 0;
  const shed = pressureMetrics(registry, () => inFlight);
  const pressure = (): Pressure | undefined => {
    if (inFlight > server.max_in_flight) return 'in flight';
    const tooSlow = server.max_event_loop_delay > 0 && loop.meanMs > server.max_event_loop_delay;
    return tooSlow ? 'event loop' : undefined;
  };
  // WebSocket connections do not reach this hook.
  app.addHook('onRequest', (request, reply, done) => {
    inFlight += 1;
    // `close` is emitted once, after the response or when the client disconnects.
    reply.raw.once('close', () => {
      inFlight -= 1;
    });
    // Probes are never rejected: restarting a busy pod would increase the load of the others.
    const cause = PROBES.has(request.routeOptions.url ?? '') ? undefined : pressure();
    if (!cause) return done();
    shed.inc({ cause });
    void reply
      .code(503)
      .header('retry-after', String(RETRY_AFTER_SECONDS))
      .send(errorBody('the server is overloaded; try again', CODES.unavailable));
  });
  app.addHook('onClose', async () => loop.close());
}

/** Mean event loop delay of the last sample. */
class LoopDelay {
  meanMs = 0;
  readonly #histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  readonly #timer: NodeJS.Timeout;

  constructor() {
    this.#histogram.enable();
    this.#timer = setInterval(() => this.#sample(), SAMPLE_MS);
    this.#timer.unref();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#histogram.disable();
  }

  #sample(): void {
    // The histogram includes the resolution of its own timer.
    const mean = this.#histogram.mean / 1e6 - RESOLUTION_MS;
    this.meanMs = Number.isFinite(mean) ? Math.max(0, mean) : 0;
    this.#histogram.reset();
  }
}

function pressureMetrics(registry: Registry, inFlight: () => number): Counter<'cause'> {
  const registers = [registry];
  new Gauge({
    name: 'http_requests_in_flight',
    help: 'Number of requests in progress.',
    registers,
    collect() {
      this.set(inFlight());
    },
  });
  return new Counter({
    name: 'pcf_api_requests_shed_total',
    help: 'Requests rejected with status 503 because of overload, by cause.',
    labelNames: ['cause'] as const,
    registers,
  });
}
