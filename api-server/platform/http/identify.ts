/** Before anything is read of a request's body: who sends it, and whether they have asked too much already. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Counter, type Registry } from 'prom-client';
import type { Authenticator } from '../auth/authenticator.js';
import { type Identity, OPEN_IDENTITY } from '../auth/identity.js';
import { AuthenticationAway, NotAuthenticated } from '../auth/refusal.js';
import { isDatabaseAway } from '../database/connection-errors.js';
import { CODES } from '../graphql/errors.js';
import type { Logger } from '../logging/logger.js';
import { errorBody } from './error-body.js';
import type { RateLimiter } from './rate-limiter.js';

declare module 'fastify' {
  interface FastifyRequest {
    identity?: Identity;
  }
}

export interface IdentifyParts {
  authenticator: Authenticator;
  /** Of identities; undefined is no limit. */
  limiter?: RateLimiter;
  /** Of addresses that show wrong credentials. */
  failures?: RateLimiter;
  registry: Registry;
  databaseLost(): void;
  log: Logger;
}

const RETRY_AFTER_SECONDS = 1;

/** A hook for onRequest. What it lets through has an identity. */
export function identify({ authenticator, limiter, failures, registry, databaseLost, log }: IdentifyParts) {
  const { refused, limited } = counters(registry);

  const tooMany = (reply: FastifyReply, seconds: number, limit: string) => {
    limited.inc({ limit });
    return reply
      .code(429)
      .header('retry-after', String(seconds))
      .send(errorBody(`too many requests; try again in ${seconds} s`, CODES.rateLimited));
  };

  const refuse = async (request: FastifyRequest, reply: FastifyReply, error: unknown) => {
    if (error instanceof NotAuthenticated) {
      refused.inc({ reason: error.refusal });
      const seconds = error.refusal === 'missing' ? undefined : await failures?.take(request.ip);
      if (seconds !== undefined) return tooMany(reply, seconds, 'failures');
      log.info({ reason: error.refusal }, 'a request was refused');
      return reply
        .code(401)
        .header('www-authenticate', 'Bearer realm="pcf-api"')
        .send(errorBody(error.message, CODES.unauthenticated));
    }
    const away = isDatabaseAway(error) ? 'the database is away' : undefined;
    if (away) databaseLost();
    if (!away && !(error instanceof AuthenticationAway)) throw error;
    return reply
      .code(503)
      .header('retry-after', String(RETRY_AFTER_SECONDS))
      .send(errorBody(`${away ?? (error as Error).message}; try again`, CODES.unavailable));
  };

  return async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
    try {
      request.identity = await authenticator.authenticate(request.headers);
    } catch (error) {
      return refuse(request, reply, error);
    }
    // Who says nothing of themselves is told by their address.
    const key = request.identity === OPEN_IDENTITY ? `address:${request.ip}` : request.identity.id;
    const seconds = await limiter?.take(key);
    return seconds === undefined ? undefined : tooMany(reply, seconds, 'identity');
  };
}

function counters(registry: Registry) {
  const registers = [registry];
  return {
    refused: new Counter({
      name: 'pcf_api_authentication_refused_total',
      help: 'Requests whose sender was not let in.',
      labelNames: ['reason'] as const,
      registers,
    }),
    limited: new Counter({
      name: 'pcf_api_rate_limited_total',
      help: 'Requests answered 429.',
      labelNames: ['limit'] as const,
      registers,
    }),
  };
}
