/** Subscriptions over WebSocket with the protocol graphql-transport-ws. Queries and mutations use HTTP. */
import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { GraphQLError, type GraphQLFormattedError } from 'graphql';
import { type Extra, useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';
import { asciiLowerCase } from '../../../contract/ascii.js';
import { PATHS } from '../../../contract/image.js';
import type { Identity } from '../../auth/identity.js';
import { AuthenticationUnavailable, NotAuthenticated } from '../../auth/refusal.js';
import { CODES } from '../../errors.js';
import type { Closeable } from '../../lifecycle/shutdown.js';
import type { Logger } from '../../observability/logging/logger.js';
import { requestContext } from '../../observability/logging/request-context.js';
import type { ErrorMask } from '../format-error.js';
import type { Fields } from '../graphql-request.js';
import type { AdmittedSubscription, SubscriptionRunner } from './subscription-runner.js';

/** A client of a WebSocket connection. */
export interface Subscriber {
  /** Headers of the upgrade request. */
  headers: IncomingHttpHeaders;
  /** Payload of `connection_init`. Browsers cannot set headers of a WebSocket. */
  connectionParams: Readonly<Record<string, unknown>>;
}

export interface SubscriptionParts {
  runner: SubscriptionRunner;
  /**
   * Authenticates the client. It is called again before each event and while the connection is
   * idle; NotAuthenticated closes the connection.
   */
  authenticate: (subscriber: Subscriber) => Promise<Identity>;
  /** Counts rejected credentials. */
  refused: (error: NotAuthenticated, address: string) => Promise<unknown>;
  /** Counts a subscription. Returns the seconds to wait when the identity is throttled. */
  take: (identity: Identity, address: string) => Promise<number | undefined>;
  /** Origins that may subscribe. */
  origins?: readonly string[];
  /** Whether the Host header is accepted; undefined when it is not checked. */
  allowsHost?: (headers: IncomingHttpHeaders) => boolean;
  /** Called per subscription. An error rejects the subscription. */
  context: (identity: Identity, headers: IncomingHttpHeaders) => object | Promise<object>;
  mask: ErrorMask;
  log: Logger;
}

const MAX_MESSAGE_BYTES = 64 * 1_024;
const MAX_PER_CONNECTION = 50;
const INIT_TIMEOUT_MS = 5_000;
/** Pings keep idle connections open and detect lost clients. */
const PING_MS = 20_000;
/** Interval at which the credentials of an idle connection are verified again. */
const RECHECK_MS = 30_000;
/** Minimum delay: a token that has just expired is valid within the clock skew. */
const RECHECK_LEAST_MS = 1_000;
const FORBIDDEN = 4_403;

// A type and not an interface: graphql-ws requires an index signature, which only type aliases have
// implicitly.
type SocketExtra = {
  subscriber?: Subscriber;
  identity?: Identity;
  recheck?: NodeJS.Timeout;
  closed?: boolean;
};
type Connection = SocketExtra & Extra;

/**
 * Call it before the server listens. Closing sends code 1001, after which clients reconnect to
 * another process.
 */
export function addSubscriptions(app: FastifyInstance, parts: SubscriptionParts): Closeable {
  let closing = false;
  const sockets = new WebSocketServer({ noServer: true, maxPayload: MAX_MESSAGE_BYTES });
  const server = useServer<Record<string, unknown>, SocketExtra>(
    {
      connectionInitWaitTimeout: INIT_TIMEOUT_MS,
      jsonMessageReviver: allowMissingQuery,
      onConnect: async ({ connectionParams, extra }) => {
        const subscriber = { headers: extra.request.headers, connectionParams: connectionParams ?? {} };
        extra.identity = await identityOf(parts, subscriber, (error) =>
          parts.refused(error, addressOf(extra.request)),
        );
        if (!extra.identity) return false; // closes the connection with code 4403
        extra.subscriber = subscriber;
        scheduleCheck(parts, extra);
        return true;
      },
      onClose: ({ extra }) => {
        extra.closed = true;
        clearTimeout(extra.recheck);
      },
      onSubscribe: async ({ extra, subscriptions }, _id, payload) => {
        try {
          if (Object.keys(subscriptions).length > MAX_PER_CONNECTION) throw tooMany();
          const identity = extra.identity as Identity;
          const seconds = await parts.take(identity, addressOf(extra.request));
          if (seconds !== undefined) throw tooOften(seconds);
          const args = parts.runner.prepare({ ...payload });
          return { ...args, contextValue: await parts.context(identity, headersOf(extra.subscriber)) };
        } catch (error) {
          return [
            error instanceof GraphQLError ? error : new GraphQLError('', { originalError: error as Error }),
          ];
        }
      },
      subscribe: (args) => parts.runner.subscribe(args as AdmittedSubscription),
      onNext: async ({ extra }, _id, _payload, _args, result) => {
        try {
          if (await isStillAdmitted(parts, extra)) return result; // its errors are masked already
        } catch (error) {
          return { errors: [masked(parts, unverified(error))] };
        }
        return { errors: [] }; // not sent: the connection is closed
      },
      onError: (_ctx, _id, _payload, errors) => errors.map((error) => masked(parts, error as GraphQLError)),
      isProd: true,
    },
    sockets,
    PING_MS,
  );
  app.server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', (error) => parts.log.debug({ err: error }, 'connection lost during the upgrade'));
    const refused = closing ? '503 Service Unavailable' : refusal(request, parts);
    if (refused) {
      socket.end(`HTTP/1.1 ${refused}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
      return;
    }
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      webSocket.on('error', (error) => parts.log.debug({ err: error }, 'WebSocket error'));
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

/**
 * graphql-ws closes the connection when a `subscribe` message has no `query`. A document can also be
 * referenced by its hash, so a missing query becomes an empty one.
 */
function allowMissingQuery(key: string, value: unknown): unknown {
  if (key !== '' || typeof value !== 'object' || value === null) return value;
  const { type, payload } = value as { type?: unknown; payload?: unknown };
  const isObject = typeof payload === 'object' && payload !== null && !Array.isArray(payload);
  if (type !== 'subscribe' || !isObject || (payload as Fields).query != null) return value;
  return { ...value, payload: { ...payload, query: '' } };
}

/** Browsers cannot set headers of a WebSocket, so `connectionParams` take precedence. */
export function credentialsOf({ headers, connectionParams }: Subscriber): IncomingHttpHeaders {
  const said = Object.entries(connectionParams).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  );
  const { authorization, 'x-api-key': apiKey } = Object.fromEntries(
    said.map(([name, value]) => [asciiLowerCase(name), value]),
  );
  if (authorization === undefined && apiKey === undefined) return headers;
  return {
    ...(authorization !== undefined && { authorization }),
    ...(apiKey !== undefined && { 'x-api-key': apiKey }),
  };
}

/** Headers of the upgrade, and those that a browser sends as `connectionParams` instead. */
function headersOf({ headers, connectionParams }: Partial<Subscriber> = {}): IncomingHttpHeaders {
  const said = Object.entries(connectionParams ?? {}).map(([name, value]) => [asciiLowerCase(name), value]);
  return { ...headers, ...(Object.fromEntries(said) as IncomingHttpHeaders) };
}

/** Undefined when the client is rejected. */
async function identityOf(
  { authenticate, log }: SubscriptionParts,
  subscriber: Subscriber,
  refused: (error: NotAuthenticated) => Promise<unknown> = async () => undefined,
): Promise<Identity | undefined> {
  try {
    return await authenticate(subscriber);
  } catch (error) {
    if (!(error instanceof NotAuthenticated)) throw error;
    log.info({ reason: error.refusal }, 'subscription connection rejected');
    await refused(error);
    return undefined;
  }
}

/**
 * Verifies the credentials of an open connection again, because it can outlive its token, key or
 * user. Closes the connection when the client is rejected or its permissions have changed: running
 * subscriptions were admitted with the previous permissions, so they must start again. Throws when
 * the credentials cannot be verified.
 */
async function isStillAdmitted(parts: SubscriptionParts, extra: Connection): Promise<boolean> {
  const found = await identityOf(parts, extra.subscriber as Subscriber);
  if (found && found.cacheScope === extra.identity?.cacheScope) {
    extra.identity = found;
    return true;
  }
  extra.socket.close(FORBIDDEN, 'Forbidden');
  return false;
}

/** Checks at the expiry of the credentials, and regularly. */
function scheduleCheck(parts: SubscriptionParts, extra: Connection): void {
  const { expiresAt } = extra.identity as Identity;
  const left = expiresAt ? expiresAt.getTime() - Date.now() : Number.POSITIVE_INFINITY;
  const check = async () => {
    const isAdmitted = await isStillAdmitted(parts, extra).catch(() => true); // cannot be verified now
    if (isAdmitted && !extra.closed) scheduleCheck(parts, extra);
  };
  const delay = Math.min(Math.max(left, RECHECK_LEAST_MS), RECHECK_MS);
  extra.recheck = setTimeout(() => void check(), delay).unref();
}

/** Protects from cross-site WebSocket hijacking and DNS rebinding. */
function refusal(
  { url = '', headers }: IncomingMessage,
  { origins = [], allowsHost }: SubscriptionParts,
): string | undefined {
  if (url.split('?')[0] !== PATHS.graphql) return '404 Not Found';
  if (allowsHost && !allowsHost(headers)) return '421 Misdirected Request';
  const { origin, host } = headers;
  if (origin === undefined || origins.includes(origin)) return undefined; // not a browser, or an allowed origin
  return URL.canParse(origin) && new URL(origin).host === host ? undefined : '403 Forbidden';
}

function tooMany(): GraphQLError {
  return new GraphQLError(
    `a connection can have at most ${MAX_PER_CONNECTION} subscriptions; open another connection`,
    {
      extensions: { code: 'TOO_MANY_SUBSCRIPTIONS' },
    },
  );
}

function tooOften(seconds: number): GraphQLError {
  return new GraphQLError(`too many requests; try again in ${seconds} s`, {
    extensions: { code: CODES.rateLimited, retryAfter: seconds },
  });
}

/** Peer address, which may be that of a proxy. It is only used for anonymous clients. */
function addressOf({ socket }: IncomingMessage): string {
  return socket.remoteAddress ?? '';
}

/** The error of an event whose subscriber cannot be verified now. The next event can succeed. */
function unverified(error: unknown): GraphQLError {
  if (!(error instanceof AuthenticationUnavailable))
    return new GraphQLError('', { originalError: error as Error });
  return new GraphQLError(`${error.message}; try again`, { extensions: { code: CODES.unavailable } });
}

/** Masks the errors that end a subscription, as over HTTP. */
function masked({ mask }: SubscriptionParts, error: GraphQLError): GraphQLFormattedError {
  return requestContext.run({ requestId: randomUUID() }, () => mask(error));
}
