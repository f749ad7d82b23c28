/** What a request asks for, as far as it can be told before anything of it is run. */
import type { FastifyRequest } from 'fastify';

export interface Asked {
  query?: string;
  /** sha256 by which a document is named instead of sent. */
  hash?: string;
  /** The text was found here, and nobody else need look for it. */
  isFound?: boolean;
  operationName?: string;
  variables?: Record<string, unknown>;
  /** In the form that needs no further look: anything odd is for Apollo to judge. */
  isPlain: boolean;
}

const NOTHING: Asked = { isPlain: false };
const DOCUMENT_ID = /^(?:sha256:)?([0-9a-f]{64})$/;

export function askedBy({ method, body, query, headers }: FastifyRequest): Asked {
  if (method === 'GET') return { ...readFields(fromSearch(query as Fields)), isPlain: false };
  if (!isObject(body)) return NOTHING;
  const asked = readFields(body);
  asked.isPlain &&= takesJson(headers.accept);
  return asked;
}

type Fields = Record<string, unknown>;

function readFields({ query, operationName, variables, extensions, documentId }: Fields): Asked {
  const asked: Asked = { isPlain: true };
  const hash = hashIn(documentId, extensions);
  if (typeof query === 'string' && query.length > 0) asked.query = query;
  else if (query !== undefined && query !== null) asked.isPlain = false;
  if (hash !== undefined) asked.hash = hash;
  if (typeof operationName === 'string') asked.operationName = operationName;
  else if (operationName !== undefined && operationName !== null) asked.isPlain = false;
  if (isObject(variables)) asked.variables = variables;
  else if (variables !== undefined && variables !== null) asked.isPlain = false;
  // A text with a hash is to be kept under it.
  if (extensions != null && (hash === undefined || asked.query !== undefined)) asked.isPlain = false;
  return asked;
}

/** In the two ways that clients do it: `documentId`, and Apollo's persisted queries. */
function hashIn(documentId: unknown, extensions: unknown): string | undefined {
  const persisted = isObject(extensions) ? extensions.persistedQuery : undefined;
  const given = documentId ?? (isObject(persisted) ? persisted.sha256Hash : undefined);
  return typeof given === 'string' ? DOCUMENT_ID.exec(given)?.[1] : undefined;
}

function fromSearch(search: Fields): Fields {
  const { extensions } = search;
  return { ...search, extensions: typeof extensions === 'string' ? parsed(extensions) : undefined };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // Apollo says so
  }
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function takesJson(accept: string | undefined): boolean {
  return accept === undefined || accept === '*/*' || accept.startsWith('application/json');
}
