/** Media type of responses and its status codes, as specified by GraphQL over HTTP. */
import { LRUCache } from 'lru-cache';
import Negotiator from 'negotiator';
import { CODES } from '../errors.js';

export interface ResponseFormat {
  contentType: string;
  /**
   * The client accepts `application/json` by name. Such clients get the status 200 for errors in a
   * document or its variables, because any server on the way may also respond with JSON.
   */
  isLegacyJson: boolean;
}

const JSON_TYPE = 'application/json; charset=utf-8';
const GRAPHQL_TYPE = 'application/graphql-response+json; charset=utf-8';
const HTML_TYPE = 'text/html';
export const DEFAULT_FORMAT: ResponseFormat = { contentType: JSON_TYPE, isLegacyJson: false };

/** Errors in a document or its variables. Limits of this API are not among them. */
const REQUEST_ERRORS: readonly unknown[] = [
  CODES.unparsable,
  CODES.invalid,
  CODES.badUserInput,
  'OPERATION_RESOLUTION_FAILURE',
];

/** Clients send few different values. */
const negotiated = new LRUCache<string, { format: ResponseFormat | undefined }>({ max: 100 });

/** Undefined when the client accepts no media type of GraphQL responses. */
export function responseFormat(accept: string | undefined): ResponseFormat | undefined {
  if (!accept || accept === '*/*') return DEFAULT_FORMAT;
  const known = negotiated.get(accept) ?? { format: negotiate(accept) };
  negotiated.set(accept, known);
  return known.format;
}

/** Whether the client prefers HTML to GraphQL responses, as browsers do that open a page. */
export function prefersPage(accept: string | undefined): boolean {
  return accept !== undefined && preferred(accept, JSON_TYPE, GRAPHQL_TYPE, HTML_TYPE) === HTML_TYPE;
}

function negotiate(accept: string): ResponseFormat | undefined {
  const contentType = preferred(accept, JSON_TYPE, GRAPHQL_TYPE);
  if (!contentType) return undefined;
  return { contentType, isLegacyJson: contentType === JSON_TYPE && /\bapplication\/json\b/i.test(accept) };
}

function preferred(accept: string, ...available: string[]): string | undefined {
  return new Negotiator({ headers: { accept } }).mediaType(available);
}

/** The status of a response with this first error. */
export function statusFor({ isLegacyJson }: ResponseFormat, status: number, code: unknown): number {
  return isLegacyJson && status === 400 && REQUEST_ERRORS.includes(code) ? 200 : status;
}
