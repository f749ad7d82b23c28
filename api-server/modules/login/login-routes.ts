import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { PATHS } from '../../../contract/image.js';
import { PASSWORD_MAX, PASSWORD_MIN } from '../../auth/passwords.js';
import type { DatabaseMonitor } from '../../database/pool/database-monitor.js';
import { CODES } from '../../errors.js';
import { sendDatabaseFailure } from '../../http/database-failure.js';
import { errorBody } from '../../http/error-body.js';
import { LoginRejected, type LoginService, LoginThrottled } from './login.service.js';

const MAX_BODY = 4_096;
const email = z.string().max(254);
const password = z.string().max(PASSWORD_MAX);
const credentials = z.strictObject({ email, password });
const refreshToken = z.strictObject({ refreshToken: z.string().max(200) });
const passwordChange = credentials.extend({
  newPassword: password.min(PASSWORD_MIN, {
    error: `must be ${PASSWORD_MIN} to ${PASSWORD_MAX} characters long`,
  }),
});

/** Routes for login, token refresh, logout and password change. They use JSON bodies and no cookies. */
export function addLoginRoutes(app: FastifyInstance, service: LoginService, monitor: DatabaseMonitor): void {
  // Protects from CSRF: a page of another origin can send text/plain without a CORS preflight, but not JSON.
  app.removeContentTypeParser('text/plain');

  const post = <T>(
    url: string,
    schema: z.ZodType<T>,
    handle: (body: T, address: string) => Promise<object | undefined>,
  ) =>
    app.post(url, { bodyLimit: MAX_BODY }, async (request: FastifyRequest, reply: FastifyReply) => {
      void reply.header('cache-control', 'no-store');
      const body = schema.safeParse(request.body);
      if (!body.success)
        return reply.code(400).send(errorBody(describeIssues(body.error), CODES.badUserInput));
      try {
        const answer = await handle(body.data, request.ip);
        return answer ? reply.send(answer) : reply.code(204).send();
      } catch (error) {
        return sendError(reply, error, monitor);
      }
    });

  post(`${PATHS.auth}/login`, credentials, (body, address) => service.login(body, address));
  post(`${PATHS.auth}/refresh`, refreshToken, (body, address) => service.refresh(body.refreshToken, address));
  post(`${PATHS.auth}/logout`, refreshToken, async (body, address) => {
    await service.logout(body.refreshToken, address);
    return undefined;
  });
  post(`${PATHS.auth}/password`, passwordChange, ({ newPassword, ...body }, address) =>
    service.changePassword(body, newPassword, address),
  );
}

function sendError(reply: FastifyReply, error: unknown, monitor: DatabaseMonitor): FastifyReply {
  if (error instanceof LoginRejected) {
    return reply.code(401).send(errorBody(error.message, CODES.unauthenticated));
  }
  if (error instanceof LoginThrottled) {
    return reply
      .code(429)
      .header('retry-after', String(error.seconds))
      .send(errorBody(error.message, CODES.rateLimited));
  }
  return sendDatabaseFailure(reply, error, monitor);
}

/** Contains only field names and messages: values are secrets. */
function describeIssues({ issues }: z.ZodError): string {
  return issues.map(({ path, message }) => `${path.join('.') || 'body'}: ${message}`).join('; ');
}
