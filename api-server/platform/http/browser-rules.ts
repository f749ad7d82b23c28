/** What browsers are told: whose pages may use this API, and how little they may do with its answers. */
import cors from '@fastify/cors';
import type { FastifyInstance } from 'fastify';
import { HEADERS } from '../../../contract/image.js';

export interface BrowserRules {
  /** Pages from elsewhere that may use the API, for instance https://app.example.com. */
  origins: readonly string[];
  tls: boolean;
}

/** What OWASP's REST Security Cheat Sheet asks of an API that serves no pages. */
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
  if (origins.length === 0) return; // without CORS a browser lets only pages of the same origin read
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

/** The playground is a page: everything in it comes from here. */
export const PAGE_POLICY =
  "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; connect-src 'self' ws: wss:; base-uri 'none'; frame-ancestors 'none'";
