import type { IncomingMessage, Server } from 'node:http';
import { asciiLowerCase } from '../../contract/ascii.js';

/**
 * Accepts only upgrades to WebSocket. Clients that offer another protocol (Java's HttpClient offers
 * h2c with its first request) get an HTTP/1.1 response. Option of the HTTP server; Node.js supports
 * it since 24.9.
 */
export function shouldUpgradeCallback(
  this: Pick<Server, 'listenerCount'>,
  { headers }: Pick<IncomingMessage, 'headers'>,
): boolean {
  return this.listenerCount('upgrade') > 0 && asciiLowerCase(headers.upgrade ?? '') === 'websocket';
}
