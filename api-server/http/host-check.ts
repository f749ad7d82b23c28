/**
 * Protects an API without authentication from DNS rebinding: a web page whose host name resolves to
 * the address of this host could read and change everything. The browser sends that name in the
 * Host header, so only names are accepted that other parties cannot point at this host.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { asciiLowerCase } from '../../contract/ascii.js';
import { PATHS } from '../../contract/image.js';
import { CODES } from '../errors.js';
import { errorBody } from './error-body.js';

const HOST = /^(?:\[([\da-f:.]+)\]|([^:[\]]+?)\.?)(?::\d{1,5})?$/;

/** Accepts IP addresses, localhost and the configured names. X-Forwarded-Host is ignored: a page can send it. */
export function allowsHost(headers: IncomingHttpHeaders, allowed: readonly string[]): boolean {
  const host = headers[':authority'] ?? headers.host;
  if (host === undefined) return true; // a client of HTTP/1.0, which is no browser
  const [, ipv6, name = ''] = HOST.exec(asciiLowerCase(String(host))) ?? [];
  if (isIP(ipv6 ?? name) !== 0) return true;
  return name === 'localhost' || name.endsWith('.localhost') || allowed.includes(name);
}

const CHECKED = new Set<string | undefined>([PATHS.graphql, PATHS.alertmanager]);

/** Health checks are not checked: load balancers may use any name, and they reveal no data. */
export function addHostCheck(app: FastifyInstance, allowed: readonly string[]): void {
  app.addHook('onRequest', (request, reply, done) => {
    const isChecked = CHECKED.has(request.routeOptions.url);
    if (!isChecked || allowsHost(request.headers, allowed)) return done();
    const message =
      'the host name is not accepted while authentication is disabled; use localhost or an IP address, or add the name to server.allowed_hosts';
    void reply.code(421).send(errorBody(message, CODES.forbidden));
  });
}
