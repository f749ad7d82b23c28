/** Authenticates a request and applies the rate limits before its body is read. */
import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Counter, type Registry } from 'prom-client';
import type { Authenticator } from '../auth/authenticator.js';
import { type Identity, OPEN_IDENTITY } from '../auth/identity.js';
import { AuthenticationUnavailable, NotAuthenticated } from '../auth/refusal.js';
import { databaseFailure, isDatabaseUnavailable } from '../database/pool/connection-errors.js';
import { CODES } from '../errors.js';
import type { Logger } from '../observability/logging/logger.js';
import type { BufferedRateLimiter } from './buffered-rate-limiter.js';
import { errorBody } from './error-body.js';
import type { RateLimiter } from './rate-limiter.js';

declare module 'fastify' {
  interface FastifyRequest {
    identity?: Identity;
  }
}

export interface GateParts {
  authenticator: Authenticator;
  /** Rate limit per identity; undefined when it is disabled. */
  limiter?: BufferedRateLimiter;
  /** Rate limit of invalid credentials per IP address. */
  failures?: RateLimiter;
  registry: Registry;
}

/** Authentication and rate limits, shared by requests and subscriptions. */
export class Gate {
  readonly #counters: ReturnType<typeof counters>;

  constructor(private readonly parts: GateParts) {
    this.#counters = counters(parts.registry);
  }

  /** Like Authenticator.authenticate. */
  authenticate(headers: IncomingHttpHeaders): Promise<Identity> {
    return this.parts.authenticator.authenticate(headers);
  }

  /** Counts rejected credentials. Returns the seconds to wait when the address is throttled. */
  async refused({ refusal }: NotAuthenticated, address: string): Promise<number | undefined> {
    this.#counters.refused.inc({ reason: refusal });
    const seconds = refusal === 'missing' ? undefined : await this.parts.failures?.take(address);
    if (seconds !== undefined) this.#counters.limited.inc({ limit: 'failures' });
    return seconds;
  }

  /** Counts a request. Returns the seconds to wait when the identity is throttled. */
  async take(identity: Identity, address: string): Promise<number | undefined> {
    // Anonymous clients are keyed by IP address.
    const key = identity === OPEN_IDENTITY ? `address:${address}` : identity.id;
    const seconds = await this.parts.limiter?.take(key);
    if (seconds !== undefined) this.#counters.limited.inc({ limit: 'identity' });
    return seconds;
  }
}

export interface IdentifyParts {
  gate: Gate;
  databaseLost(): void;
  log: Logger;
}

const RETRY_AFTER_SECONDS = 1;

/** Hook for onRequest. It sets the identity of the request, or sends an error. */
export function identify({ gate, databaseLost, log }: IdentifyParts) {
  const tooMany = (reply: FastifyReply, seconds: number) =>
    reply
      .code(429)
      .header('retry-after', String(seconds))
      .send(errorBody(`too many requests; try again in ${seconds} s`, CODES.rateLimited));

  const refuse = async (request: FastifyRequest, reply: FastifyReply, error: unknown) => {
    if (error instanceof NotAuthenticated) {
      const seconds = await gate.refused(error, request.ip);
      if (seconds !== undefined) return tooMany(reply, seconds);
      log.info({ reason: error.refusal }, 'request rejected');
      return reply
        .code(401)
        .header('www-authenticate', 'Bearer realm="pcf-api"')
        .send(errorBody(error.message, CODES.unauthenticated));
    }
    const failure = databaseFailure(error);
    if (isDatabaseUnavailable(error)) databaseLost();
    if (failure) log.warn({ err: error }, 'database failed during authentication');
    if (!failure && !(error instanceof AuthenticationUnavailable)) throw error;
    const { message, code } = failure ?? {
      message: `${(error as Error).message}; try again`,
      code: CODES.unavailable,
    };
    return reply.code(503).header('retry-after', String(RETRY_AFTER_SECONDS)).send(errorBody(message, code));
  };

  return async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
    try {
      request.identity = await gate.authenticate(request.headers);
    } catch (error) {
      return refuse(request, reply, error);
    }
    const seconds = await gate.take(request.identity, request.ip);
    return seconds === undefined ? undefined : tooMany(reply, seconds);
  };
}

function counters(registry: Registry) {
  const registers = [registry];
  return {
    refused: new Counter({
      name: 'pcf_api_authentication_refused_total',
      help: 'Requests with rejected credentials, by reason.',
      labelNames: ['reason'] as const,
      registers,
    }),
    limited: new Counter({
      name: 'pcf_api_rate_limited_total',
      help: 'Throttled requests (status 429) and subscriptions, by limit.',
      labelNames: ['limit'] as const,
      registers,
    }),
  };
}
