/** CORS and security headers for browsers. */
import cors from '@fastify/cors';
import type { FastifyInstance } from 'fastify';
import { HEADERS } from '../../contract/image.js';

export interface BrowserRules {
  /** Origins that CORS allows, for example https://app.example.com. */
  origins: readonly string[];
  tls: boolean;
}

/** Headers that OWASP's REST Security Cheat Sheet recommends for an API without pages. */
const ALWAYS = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
};
const WITH_TLS = { 'strict-transport-security': 'max-age=31536000' };
const PREFLIGHT_SECONDS = 600;

export function addBrowserRules(app: FastifyInstance, { origins, tls }: BrowserRules): void {
  const headers = tls ? { ...ALWAYS, ...WITH_TLS } : ALWAYS;
  app.addHook('onRequest', (_request, reply, done) => {
    void reply.headers(headers);
    done();
  });
  if (origins.length === 0) return; // without CORS, browsers only allow pages of the same origin
  void app.register(cors, {
    origin: [...origins],
    methods: ['GET', 'POST'],
    allowedHeaders: [
      'content-type',
      'authorization',
      'x-api-key',
      'apollo-require-preflight',
      'traceparent',
      HEADERS.requestId,
      HEADERS.position,
    ],
    exposedHeaders: [...Object.values(HEADERS), 'retry-after', 'etag'],
    maxAge: PREFLIGHT_SECONDS,
  });
}

/** The playground is a page without external resources. */
export const PAGE_POLICY =
  "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; connect-src 'self' ws: wss:; base-uri 'none'; frame-ancestors 'none'";
