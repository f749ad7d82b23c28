/**
 * Parses a GraphQL request. Only this module reads it: the fields that were checked must be the
 * ones that are executed, so Apollo receives exactly these fields.
 */
import type { FastifyRequest } from 'fastify';
import { GraphQLError } from 'graphql';
import { CODES } from '../errors.js';

export type Fields = Readonly<Record<string, unknown>>;

export interface Asked {
  query?: string;
  /** SHA-256 hash that references a document instead of its text. */
  hash?: string;
  /** The text was resolved from the hash. */
  isFound?: boolean;
  operationName?: string;
  variables?: Record<string, unknown>;
  /** The body has the common form. Apollo checks all others. */
  isPlain: boolean;
  /** All fields as they were sent; undefined when the body is not an object. */
  fields?: Fields;
}

const NOTHING: Asked = { isPlain: false };
const DOCUMENT_ID = /^(?:sha256:)?([0-9a-f]{64})$/;

/** The part of an HTTP request that is read. */
export type HttpRequest = Pick<FastifyRequest, 'method' | 'url' | 'headers' | 'body'>;

export function askedBy({ method, body, url }: HttpRequest): Asked | GraphQLError {
  if (method === 'GET') {
    const fields = searchOf(url);
    if (fields instanceof GraphQLError) return fields;
    return { ...askedIn({ ...fields, extensions: parsed(fields.extensions) }), fields, isPlain: false };
  }
  return isObject(body) ? askedIn(body) : NOTHING;
}

export function askedIn(fields: Fields): Asked {
  const { query, operationName, variables, extensions, documentId } = fields;
  const asked: Asked = { isPlain: true, fields };
  const hash = hashIn(documentId, extensions);
  if (typeof query === 'string' && query.length > 0) asked.query = query;
  else if (query !== undefined && query !== null) asked.isPlain = false;
  if (hash !== undefined) asked.hash = hash;
  if (typeof operationName === 'string') asked.operationName = operationName;
  else if (operationName !== undefined && operationName !== null) asked.isPlain = false;
  if (isObject(variables)) asked.variables = variables;
  else if (variables !== undefined && variables !== null) asked.isPlain = false;
  // A text with a hash is stored as a persisted query.
  if (extensions != null && (hash === undefined || asked.query !== undefined)) asked.isPlain = false;
  return asked;
}

/**
 * The fields for Apollo: with the admitted text, and without the hash when the text was resolved
 * from it, so that Apollo does not resolve another one.
 */
export function admittedFields({ fields = {}, query, isFound }: Asked): Fields {
  if (query === undefined) return fields;
  const { extensions, ...rest } = fields;
  return { ...rest, ...(!isFound && extensions !== undefined && { extensions }), query };
}

/** The two conventions of clients: `documentId`, and Apollo's persisted queries. */
function hashIn(documentId: unknown, extensions: unknown): string | undefined {
  const persisted = isObject(extensions) ? extensions.persistedQuery : undefined;
  const given = documentId ?? (isObject(persisted) ? persisted.sha256Hash : undefined);
  return typeof given === 'string' ? DOCUMENT_ID.exec(given)?.[1] : undefined;
}

/** Parses the query string. Parsers replace invalid UTF-8 in different ways, so it is rejected. */
function searchOf(url: string): Record<string, string> | GraphQLError {
  const at = url.indexOf('?');
  const found = new Map<string, string>();
  for (const part of at < 0 ? [] : url.slice(at + 1).split('&')) {
    if (part === '') continue;
    const end = part.includes('=') ? part.indexOf('=') : part.length;
    const [name, value] = [decoded(part.slice(0, end)), decoded(part.slice(end + 1))];
    if (name === undefined || value === undefined) return malformed('the query string cannot be decoded');
    if (found.has(name)) return malformed('the query string contains a duplicate parameter');
    found.set(name, value);
  }
  return Object.fromEntries(found);
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return undefined;
  }
}

function malformed(message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code: CODES.badUserInput } });
}

function parsed(text: unknown): unknown {
  if (typeof text !== 'string') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // Apollo returns the error
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
