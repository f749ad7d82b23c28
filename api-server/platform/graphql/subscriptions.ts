/** Subscriptions over WebSocket, by the protocol of graphql-ws. Queries and mutations go over HTTP, where their limits are. */
import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import {
  type DocumentNode,
  type ExecutionArgs,
  GraphQLError,
  type GraphQLFormattedError,
  type GraphQLSchema,
  getOperationAST,
  NoSchemaIntrospectionCustomRule,
  parse,
  specifiedRules,
  type ValidationRule,
  validate,
} from 'graphql';
import { useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';
import { PATHS } from '../../../contract/image.js';
import type { Logger } from '../logging/logger.js';
import { requestContext } from '../logging/request-context.js';
import type { Closeable } from '../shutdown.js';
import { badUserInput, CODES } from './errors.js';

/** Who subscribes. */
export interface Subscriber {
  /** Of the request that opened the connection. */
  headers: IncomingHttpHeaders;
  /** What the client said when it was open: browsers can't send headers. */
  connectionParams: Readonly<Record<string, unknown>>;
}

export interface SubscriptionParts {
  schema: GraphQLSchema;
  introspection: boolean;
  /** Pages from elsewhere that may subscribe. */
  origins?: readonly string[];
  /** Made for each subscription. What it throws refuses it. */
  context: (subscriber: Subscriber) => object | Promise<object>;
  /** Beside those of the specification. */
  rules?: readonly ValidationRule[];
  formatError: (formatted: GraphQLFormattedError, error: unknown) => GraphQLFormattedError;
  log: Logger;
}

const MAX_MESSAGE_BYTES = 64 * 1_024;
const MAX_TOKENS = 1_000;
const MAX_PER_CONNECTION = 50;
const INIT_TIMEOUT_MS = 5_000;
/** Pings keep the connection open in between, and find those that are gone. */
const PING_MS = 20_000;

/** Call it before the server listens. Closing says 1001 to the clients, which then go elsewhere. */
export function addSubscriptions(app: FastifyInstance, parts: SubscriptionParts): Closeable {
  let closing = false;
  const sockets = new WebSocketServer({ noServer: true, maxPayload: MAX_MESSAGE_BYTES });
  const server = useServer(
    {
      connectionInitWaitTimeout: INIT_TIMEOUT_MS,
      onSubscribe: async ({ connectionParams = {}, extra, subscriptions }, _id, payload) => {
        const subscriber = { headers: extra.request.headers, connectionParams };
        try {
          if (Object.keys(subscriptions).length > MAX_PER_CONNECTION) throw tooMany();
          return await operation(parts, subscriber, payload);
        } catch (error) {
          return [
            error instanceof GraphQLError ? error : new GraphQLError('', { originalError: error as Error }),
          ];
        }
      },
      onNext: (_ctx, _id, _payload, _args, { errors, ...result }) =>
        errors ? { ...result, errors: errors.map((error) => masked(parts, error)) as never } : undefined,
      onError: (_ctx, _id, _payload, errors) => errors.map((error) => masked(parts, error as GraphQLError)),
      isProd: true,
    },
    sockets,
    PING_MS,
  );
  app.server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', (error) => parts.log.debug({ err: error }, 'a connection was lost as it was opened'));
    const refused = closing ? '503 Service Unavailable' : refusal(request, parts.origins);
    if (refused) {
      socket.end(`HTTP/1.1 ${refused}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
      return;
    }
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      webSocket.on('error', (error) => parts.log.debug({ err: error }, 'a WebSocket failed'));
      sockets.emit('connection', webSocket, request);
    });
  });
  return {
    name: 'subscriptions',
    close: async () => {
      closing = true;
      await server.dispose();
    },
  };
}

/** Pages of other sites must not subscribe in the name of who looks at them. */
function refusal(
  { url = '', headers }: IncomingMessage,
  origins: readonly string[] = [],
): string | undefined {
  if (url.split('?')[0] !== PATHS.graphql) return '404 Not Found';
  const { origin, host } = headers;
  if (origin === undefined || origins.includes(origin)) return undefined; // no browser, or a page we know
  return URL.canParse(origin) && new URL(origin).host === host ? undefined : '403 Forbidden';
}

async function operation(
  { schema, introspection, context, rules = [] }: SubscriptionParts,
  subscriber: Subscriber,
  payload: { query: string; operationName?: string | null; variables?: Record<string, unknown> | null },
): Promise<ExecutionArgs> {
  const document = parse(payload.query, { maxTokens: MAX_TOKENS });
  const all = [...specifiedRules, ...(introspection ? [] : [NoSchemaIntrospectionCustomRule]), ...rules];
  const [problem] = validate(schema, document, all, { maxErrors: 1 });
  if (problem) throw introspection ? problem : withoutSuggestions(problem);
  requireSubscription(document, payload.operationName);
  return {
    schema,
    document,
    operationName: payload.operationName,
    variableValues: payload.variables,
    contextValue: await context(subscriber),
  };
}

function requireSubscription(document: DocumentNode, name: string | null | undefined): void {
  const found = getOperationAST(document, name);
  if (!found) throw badUserInput({ field: 'operationName', message: 'names no operation of the document' });
  if (found.operation === 'subscription') return;
  throw badUserInput({ field: 'query', message: `is a ${found.operation}; send it over HTTP` });
}

function tooMany(): GraphQLError {
  return new GraphQLError(
    `a connection has at most ${MAX_PER_CONNECTION} subscriptions; open another or end one`,
    {
      extensions: { code: 'TOO_MANY_SUBSCRIPTIONS' },
    },
  );
}

/** They would tell what the schema has to somebody who may not ask for it. */
function withoutSuggestions({ message, nodes }: GraphQLError): GraphQLError {
  return new GraphQLError(message.replace(/ ?Did you mean .*$/s, ''), { nodes });
}

/** Errors of the query itself have no code; what resolvers throw goes through the same mask as over HTTP. */
function masked({ formatError }: SubscriptionParts, error: GraphQLError): GraphQLFormattedError {
  const isOfQuery = !error.originalError && !error.path && error.extensions.code === undefined;
  const code = isOfQuery ? CODES.badUserInput : (error.extensions.code ?? CODES.internal);
  const formatted = { ...error.toJSON(), extensions: { ...error.extensions, code } };
  return requestContext.run({ requestId: randomUUID() }, () => formatError(formatted, error));
}
