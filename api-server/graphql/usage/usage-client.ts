/** The client that a use of the schema is recorded for. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Identity } from '../../auth/identity.js';
import { storable } from '../../auth/redact-input.js';

export interface UsageClient {
  /** `key:<name of the API key>`, or the ID of the identity: `user:<uuid>`, `token:<issuer>:<subject>`, `open`. */
  readonly name: string;
  /** Name and version that the application reports in its headers; empty when it reports none. */
  readonly application: string;
  readonly version: string;
}

/** Headers by which applications report their name and version, as Apollo's clients send them. */
const APPLICATION_HEADER = 'apollographql-client-name';
const VERSION_HEADER = 'apollographql-client-version';
const MAX_NAME = 200;
const MAX_REPORTED = 100;

export function usageClient({ kind, id, name }: Identity, headers: IncomingHttpHeaders): UsageClient {
  return {
    name: bounded(kind === 'API_KEY' ? `key:${name}` : id, MAX_NAME),
    application: bounded(headers[APPLICATION_HEADER], MAX_REPORTED),
    version: bounded(headers[VERSION_HEADER], MAX_REPORTED),
  };
}

/** PostgreSQL stores neither NUL nor lone surrogates. */
function bounded(text: string | string[] | undefined, max: number): string {
  return typeof text === 'string' && text !== '' ? storable(text.slice(0, max)) : '';
}
