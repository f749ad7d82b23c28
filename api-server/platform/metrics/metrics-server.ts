import { createServer, type Server, type ServerResponse } from 'node:http';
import type { Registry } from 'prom-client';
import { PATHS } from '../../../contract/image.js';

/** Serves /metrics on its own port, which no client of the API needs to reach. */
export function createMetricsServer(registry: Registry): Server {
  return createServer((request, response) => {
    if (request.url?.split('?')[0] !== PATHS.metrics) {
      response.writeHead(404).end();
      return;
    }
    void send(registry, response);
  });
}

async function send(registry: Registry, response: ServerResponse): Promise<void> {
  try {
    const text = await registry.metrics();
    response.writeHead(200, { 'content-type': registry.contentType }).end(text);
  } catch {
    response.writeHead(500).end();
  }
}

/** Listens, and returns the port (which differs from the one asked for when that is 0). */
export function listen(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      const address = server.address();
      resolve(typeof address === 'object' && address ? address.port : port);
    });
  });
}
