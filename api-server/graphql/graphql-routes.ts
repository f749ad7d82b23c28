/**
 * Routes of /graphql: the playground for browsers, and 503 while the database is unavailable. Known
 * documents are executed directly. Apollo validates unknown documents, which are then known.
 */
import { constants } from 'node:zlib';
import { type ApolloServer, type BaseContext, HeaderMap } from '@apollo/server';
import compress, { type FastifyCompressOptions } from '@fastify/compress';
import etag from '@fastify/etag';
import type {
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  HookHandlerDoneFunction,
  onRequestAsyncHookHandler,
} from 'fastify';
import { GraphQLError } from 'graphql';
import { PATHS } from '../../contract/image.js';
import type { Identity } from '../auth/identity.js';
import type { DatabaseMonitor } from '../database/pool/database-monitor.js';
import { CODES } from '../errors.js';
import { PAGE_POLICY } from '../http/browser-rules.js';
import { errorBody } from '../http/error-body.js';
import type { Admission } from './admission/admission.js';
import type { KnownDocuments, KnownOperation } from './execution/known-documents.js';
import type { OperationAnswer, OperationRunner } from './execution/operation-runner.js';
import type { ErrorMask } from './format-error.js';
import { type Asked, admittedFields, askedBy } from './graphql-request.js';
import { playgroundPage } from './playground.js';
import { DEFAULT_FORMAT, type ResponseFormat, responseFormat, statusFor } from './response-format.js';

export interface GraphqlRouteParts<Context extends BaseContext> {
  apollo: ApolloServer<Context>;
  admission: Admission;
  documents: KnownDocuments;
  runner: OperationRunner;
  mask: ErrorMask;
  monitor: DatabaseMonitor;
  playground: boolean;
  /** Sets the identity of the request, or sends an error. */
  identify: onRequestAsyncHookHandler;
  context: (identity: Identity) => Context;
}

/** Low compression levels: higher ones save few bytes and cost much CPU time. */
const COMPRESSION = {
  threshold: 1_400,
  globalDecompression: false, // compressed request bodies could be decompression bombs
  encodings: ['br', 'gzip'],
  brotliOptions: { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } },
  zlibOptions: { level: 6 },
} satisfies FastifyCompressOptions;

export function addGraphqlRoutes<Context extends BaseContext>(
  app: FastifyInstance,
  parts: GraphqlRouteParts<Context>,
): void {
  const { apollo, admission, documents, runner, context, mask } = parts;
  const known = ({ isPlain, query, operationName }: Asked): KnownOperation | undefined => {
    const document = isPlain && query !== undefined ? documents.bySource(query) : undefined;
    const operation = document && documents.operation(document, operationName);
    return operation?.prepared.definition.operation === 'subscription' ? undefined : operation;
  };
  const run = async (
    request: FastifyRequest,
    reply: FastifyReply,
    operation: KnownOperation,
    asked: Asked,
    format: ResponseFormat,
  ) => {
    const contextValue = context(identityOf(request));
    return send(reply, format, await runner.run(operation, contextValue, asked.variables));
  };
  const askApollo = async (
    request: FastifyRequest,
    reply: FastifyReply,
    asked: Asked,
    format: ResponseFormat,
  ) => {
    const {
      status = 200,
      headers,
      body,
    } = await apollo.executeHTTPGraphQLRequest({
      httpGraphQLRequest: forApollo(request, asked, format),
      context: async () => context(identityOf(request)),
    });
    if (body.kind !== 'complete') throw new Error('unexpected incremental response');
    for (const [name, value] of headers) void reply.header(name, value);
    const code = status === 400 ? firstCode(JSON.parse(body.string)) : undefined;
    return reply.code(statusFor(format, status, code)).send(body.string);
  };
  const refuse = (reply: FastifyReply, format: ResponseFormat, error: GraphQLError, status = 400) => {
    runner.refused(undefined);
    return send(reply, format, { status, result: { errors: [mask(error)] } });
  };
  // Before the body is read, so that unauthenticated clients cannot send one.
  const onRequest = [showPlayground(parts.playground), requireDatabase(parts.monitor), parts.identify];
  const handler = (request: FastifyRequest, reply: FastifyReply) => {
    const format = responseFormat(request.headers.accept);
    if (!format) return refuse(reply, DEFAULT_FORMAT, notAcceptable(), 406);
    const said = askedBy(request);
    if (said instanceof GraphQLError) return refuse(reply, { ...format, isLegacyJson: false }, said);
    const asked = admission.admit(said);
    if (asked instanceof GraphQLError) return refuse(reply, format, asked);
    endWithClient(request, reply);
    const operation = known(asked);
    return operation
      ? run(request, reply, operation, asked, format)
      : askApollo(request, reply, asked, format);
  };
  void app.register(async (scope) => {
    await scope.register(compress, COMPRESSION);
    scope.post(PATHS.graphql, { onRequest }, handler);
  });
  void app.register(async (scope) => {
    // Before compression, so that the ETag does not depend on the encoding.
    await scope.register(etag, { weak: true });
    await scope.register(compress, COMPRESSION);
    scope.get(PATHS.graphql, { onRequest }, (request, reply) => {
      void reply.header('cache-control', 'private, no-cache'); // cached by the client, and revalidated with its ETag
      return handler(request, reply);
    });
  });
}

function showPlayground(isOn: boolean) {
  return (request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction) => {
    if (!isOn || !isBrowser(request)) return done();
    void playgroundPage().then(
      (page) =>
        reply
          .header('content-type', 'text/html; charset=utf-8')
          .header('content-encoding', 'gzip')
          .header('cache-control', 'no-cache')
          .header('content-security-policy', PAGE_POLICY)
          .send(page),
      done,
    );
  };
}

function requireDatabase(monitor: DatabaseMonitor) {
  return (_request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction) => {
    if (monitor.isReady) return done();
    void reply
      .code(503)
      .header('retry-after', String(monitor.retryAfterSeconds))
      .send(errorBody('the database is unavailable; try again', CODES.unavailable));
  };
}

function identityOf({ identity }: FastifyRequest): Identity {
  if (!identity) throw new Error('the request has no identity');
  return identity;
}

/** Whether a browser opens the URL, as opposed to a client that sends a query. */
function isBrowser({ method, headers, query }: FastifyRequest): boolean {
  const asksForPage = method === 'GET' && headers.accept?.includes('text/html') === true;
  return asksForPage && !Object.hasOwn(query as object, 'query');
}

/** Cancels SQL statements when the client disconnects. Writes continue. */
function endWithClient({ state }: FastifyRequest, reply: FastifyReply): void {
  reply.raw.once('close', () => {
    if (!state || reply.raw.writableFinished || state.session.wrote) return;
    state.session.cancel(new Error('the client closed the connection'));
  });
}

function notAcceptable(): GraphQLError {
  return new GraphQLError(
    'the Accept header allows neither application/json nor application/graphql-response+json',
    { extensions: { code: CODES.badUserInput } },
  );
}

function firstCode({ errors }: OperationAnswer['result']): unknown {
  return errors?.[0]?.extensions?.code;
}

function send(reply: FastifyReply, format: ResponseFormat, answer: OperationAnswer): FastifyReply {
  const { status, retryAfter, text, result } = answer;
  if (retryAfter !== undefined) void reply.header('retry-after', String(retryAfter));
  return reply
    .code(statusFor(format, status, firstCode(result)))
    .header('content-type', format.contentType)
    .send(text ?? JSON.stringify(result));
}

/** The checked fields instead of the raw request, which Apollo could parse differently. */
function forApollo({ method, headers: given, body }: FastifyRequest, asked: Asked, format: ResponseFormat) {
  const headers = new HeaderMap();
  for (const [name, value] of Object.entries(given)) {
    if (value) headers.set(name, Array.isArray(value) ? value.join(', ') : value);
  }
  headers.set('accept', format.contentType);
  const fields = admittedFields(asked);
  if (method !== 'GET') return { method, headers, body: asked.fields ? fields : body, search: '' };
  return { method, headers, body, search: `?${new URLSearchParams(fields as Record<string, string>)}` };
}
