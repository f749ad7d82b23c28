import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { Registry } from 'prom-client';
import { PATHS } from '../../../contract/image.js';

/** Serves /metrics on a separate port, which clients of the API do not need to reach. */
export function createMetricsServer(registry: Registry): Server {
  return createServer(metricsHandler(() => registry.metrics(), registry.contentType));
}

export function metricsHandler(metrics: () => Promise<string>, contentType: string): RequestListener {
  return (request, response) => {
    if (request.url?.split('?')[0] !== PATHS.metrics) {
      response.writeHead(404).end();
      return;
    }
    void send(metrics, contentType, response);
  };
}

async function send(
  metrics: () => Promise<string>,
  contentType: string,
  response: ServerResponse,
): Promise<void> {
  try {
    const text = await metrics();
    response.writeHead(200, { 'content-type': contentType }).end(text);
  } catch {
    response.writeHead(500).end();
  }
}

/** Listens and returns the port, which is assigned by the system when `port` is 0. */
export function listen(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      const address = server.address();
      resolve(typeof address === 'object' && address ? address.port : port);
    });
  });
}
