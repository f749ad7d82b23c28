/** Subscriptions over WebSocket, by the protocol of graphql-ws. Queries and mutations go over HTTP. */
import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { GraphQLError, type GraphQLFormattedError } from 'graphql';
import { useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';
import { PATHS } from '../../../contract/image.js';
import type { Identity } from '../auth/identity.js';
import { NotAuthenticated } from '../auth/refusal.js';
import type { Logger } from '../logging/logger.js';
import { requestContext } from '../logging/request-context.js';
import type { Closeable } from '../shutdown.js';
import { CODES } from './errors.js';
import type { ErrorMask } from './format-error.js';
import type { SubscriptionRunner } from './subscription-runner.js';

/** Who subscribes. */
export interface Subscriber {
  /** Of the request that opened the connection. */
  headers: IncomingHttpHeaders;
  /** What the client said when it was open: browsers can't send headers. */
  connectionParams: Readonly<Record<string, unknown>>;
}

export interface SubscriptionParts {
  runner: SubscriptionRunner;
  /** Who connects; asked again as long as the connection lasts. NotAuthenticated ends it. */
  authenticate: (subscriber: Subscriber) => Promise<Identity>;
  /** Counts one who was not let in. */
  refused: (error: NotAuthenticated, address: string) => Promise<unknown>;
  /** Counts a subscription. When that is one too many: the seconds until it is allowed again. */
  take: (identity: Identity, address: string) => Promise<number | undefined>;
  /** Pages from elsewhere that may subscribe. */
  origins?: readonly string[];
  /** Made for each subscription. What it throws refuses it. */
  context: (identity: Identity) => object | Promise<object>;
  mask: ErrorMask;
  log: Logger;
}

const MAX_MESSAGE_BYTES = 64 * 1_024;
const MAX_PER_CONNECTION = 50;
const INIT_TIMEOUT_MS = 5_000;
/** Pings keep the connection open in between, and find those that are gone. */
const PING_MS = 20_000;
/** So often it is looked whether who subscribes still may. */
const RECHECK_MS = 30_000;
/** A token that has just expired is still good as long as clocks may differ. */
const RECHECK_LEAST_MS = 1_000;
const FORBIDDEN = 4_403;

// A type, not an interface: graphql-ws wants an index signature, which only types have by themselves.
type SocketExtra = {
  identity?: Identity;
  recheck?: NodeJS.Timeout;
  closed?: boolean;
};

/** Call it before the server listens. Closing says 1001 to the clients, which then go elsewhere. */
export function addSubscriptions(app: FastifyInstance, parts: SubscriptionParts): Closeable {
  let closing = false;
  const sockets = new WebSocketServer({ noServer: true, maxPayload: MAX_MESSAGE_BYTES });
  const server = useServer<Record<string, unknown>, SocketExtra>(
    {
      connectionInitWaitTimeout: INIT_TIMEOUT_MS,
      onConnect: async ({ connectionParams, extra }) => {
        const subscriber = { headers: extra.request.headers, connectionParams: connectionParams ?? {} };
        extra.identity = await identityOf(parts, subscriber, (error) =>
          parts.refused(error, addressOf(extra.request)),
        );
        if (!extra.identity) return false; // closes with 4403
        const end = (reason: string) => extra.socket.close(FORBIDDEN, reason);
        extra.recheck = recheck(parts, subscriber, extra.identity, extra, end);
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
          return { ...args, contextValue: await parts.context(identity) };
        } catch (error) {
          return [
            error instanceof GraphQLError ? error : new GraphQLError('', { originalError: error as Error }),
          ];
        }
      },
      subscribe: (args) => parts.runner.subscribe(args),
      onNext: (_ctx, _id, _payload, _args, result) => result, // its errors are masked already
      onError: (_ctx, _id, _payload, errors) => errors.map((error) => masked(parts, error as GraphQLError)),
      isProd: true,
    },
    sockets,
    PING_MS,
  );
  app.server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', (error) => parts.log.debug({ err: error }, 'connection lost during the upgrade'));
    const refused = closing ? '503 Service Unavailable' : refusal(request, parts.origins);
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

/** Browsers can't send headers with a WebSocket: what the client said when it was open counts for more. */
export function credentialsOf({ headers, connectionParams }: Subscriber): IncomingHttpHeaders {
  const said = Object.entries(connectionParams).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  );
  const { authorization, 'x-api-key': apiKey } = Object.fromEntries(
    said.map(([name, value]) => [name.toLowerCase(), value]),
  );
  if (authorization === undefined && apiKey === undefined) return headers;
  return {
    ...(authorization !== undefined && { authorization }),
    ...(apiKey !== undefined && { 'x-api-key': apiKey }),
  };
}

/** Undefined when it is refused. */
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

/** A connection lasts longer than a token, a key or a user may. */
function recheck(
  parts: SubscriptionParts,
  subscriber: Subscriber,
  identity: Identity,
  extra: SocketExtra,
  end: (reason: string) => void,
): NodeJS.Timeout {
  const { expiresAt } = identity;
  const left = expiresAt ? expiresAt.getTime() - Date.now() : Number.POSITIVE_INFINITY;
  const look = async () => {
    const found = await identityOf(parts, subscriber).catch(() => extra.identity); // it can't be told now
    if (extra.closed) return;
    // What runs was let in with the rights of then: with others it has to begin again.
    if (!found || found.cacheScope !== identity.cacheScope) return end('Forbidden');
    extra.identity = found;
    extra.recheck = recheck(parts, subscriber, found, extra, end);
  };
  return setTimeout(() => void look(), Math.min(Math.max(left, RECHECK_LEAST_MS), RECHECK_MS)).unref();
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

/** Of who connected, which may be a proxy: it counts for those alone who say nothing of themselves. */
function addressOf({ socket }: IncomingMessage): string {
  return socket.remoteAddress ?? '';
}

/** What ends a subscription goes through the same mask as over HTTP. */
function masked({ mask }: SubscriptionParts, error: GraphQLError): GraphQLFormattedError {
  return requestContext.run({ requestId: randomUUID() }, () => mask(error));
}
