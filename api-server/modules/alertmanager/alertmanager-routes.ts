/** Receiver for webhooks of Alertmanager, which opens and resolves incidents. */
import type { FastifyInstance, FastifyReply, FastifyRequest, onRequestAsyncHookHandler } from 'fastify';
import type { z } from 'zod';
import { PATHS } from '../../../contract/image.js';
import type { Identity } from '../../auth/identity.js';
import { Role, Scope } from '../../auth/roles.js';
import type { DatabaseMonitor } from '../../database/pool/database-monitor.js';
import { CODES } from '../../errors.js';
import { type AccessRule, requireAccess } from '../../graphql/access.js';
import { type AuditRecorder, who } from '../../graphql/audit.js';
import { requireDatabase } from '../../graphql/graphql-routes.js';
import { sendDatabaseFailure } from '../../http/database-failure.js';
import { errorBody } from '../../http/error-body.js';
import type { Logger } from '../../observability/logging/logger.js';
import type { AlertIncidents } from './alert-incidents.js';
import { alertmanagerBody, alertmanagerQuery, alertOf } from './alerts.js';

/** As for `openIncident`. */
const RULE: AccessRule = { role: Role.OPERATOR, scope: Scope.INCIDENTS };
const MAX_LOGGED = 10;

export interface AlertmanagerRouteParts {
  incidents: AlertIncidents;
  monitor: DatabaseMonitor;
  /** Sets the identity of the request, or sends an error. */
  identify: onRequestAsyncHookHandler;
  record: AuditRecorder;
  log: Logger;
}

export function addAlertmanagerRoutes(app: FastifyInstance, parts: AlertmanagerRouteParts): void {
  const { incidents, monitor, identify, record, log } = parts;
  // Before the body is read, so that unauthenticated clients cannot send one.
  const onRequest = [requireDatabase(monitor), identify, requireIncidentAccess(record)];
  void app.register(async (scope) => {
    // Protects from CSRF: a page of another origin can send text/plain without a CORS preflight, but not JSON.
    scope.removeContentTypeParser('text/plain');
    scope.post(PATHS.alertmanager, { onRequest }, async (request, reply) => {
      const query = alertmanagerQuery.safeParse(request.query);
      if (!query.success) return reject(reply, 'query', query.error);
      const body = alertmanagerBody.safeParse(request.body);
      if (!body.success) return reject(reply, 'body', body.error);
      const alerts = body.data.alerts.map((alert) => alertOf(alert, query.data));
      try {
        const received = await incidents.receive(alerts, identityOf(request));
        const { ignored } = received;
        // Alertmanager does not show the response.
        if (ignored.length > 0) {
          log.warn({ count: ignored.length, ignored: ignored.slice(0, MAX_LOGGED) }, 'alerts ignored');
        }
        return reply.send(received);
      } catch (error) {
        return sendDatabaseFailure(reply, error, monitor);
      }
    });
  });
}

function requireIncidentAccess(record: AuditRecorder) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
    const identity = identityOf(request);
    try {
      requireAccess(identity, RULE);
      return undefined;
    } catch (error) {
      const entry = { ...who(identity), action: 'receiveAlert', input: {}, subject: null };
      await record({ ...entry, outcome: 'DENIED', errorCode: CODES.forbidden });
      return reply.code(403).send(errorBody((error as Error).message, CODES.forbidden));
    }
  };
}

function identityOf({ identity }: FastifyRequest): Identity {
  if (!identity) throw new Error('the request has no identity');
  return identity;
}

function reject(reply: FastifyReply, part: string, { issues }: z.ZodError): FastifyReply {
  const problems = issues.map(({ path, message }) => `${[part, ...path].join('.')}: ${message}`);
  return reply.code(400).send(errorBody(problems.slice(0, MAX_LOGGED).join('; '), CODES.badUserInput));
}
