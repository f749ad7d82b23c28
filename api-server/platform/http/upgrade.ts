import type { IncomingMessage, Server } from 'node:http';

/**
 * Of the protocols that a client may offer to change to, ours is WebSocket. Whoever offers
 * another one (Java's HttpClient does, h2c, with its first request) is answered in HTTP/1.1.
 * A server's option, called as its method; Node.js knows it from 24.9 on.
 */
export function shouldUpgradeCallback(
  this: Pick<Server, 'listenerCount'>,
  { headers }: Pick<IncomingMessage, 'headers'>,
): boolean {
  return this.listenerCount('upgrade') > 0 && headers.upgrade?.toLowerCase() === 'websocket';
}
