/** Listening on the configured addresses. An error names the setting to change. */
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { variableName } from '../config/layers.js';
import type { Settings } from '../config/schema.js';
import { listen } from '../observability/metrics/metrics-server.js';

const PROBLEMS: Record<string, string> = {
  EADDRINUSE: 'the port is in use by another process',
  EACCES: 'this user may not use the port',
};

export interface Addresses {
  host: string;
  port: number;
  metricsPort: number | undefined;
}

/** Worker processes have no metrics server of their own. */
export async function listenAll(
  { server, metrics }: Settings,
  app: FastifyInstance,
  metricsServer: Server | undefined,
): Promise<Addresses> {
  const { host } = server;
  const metricsPort = metricsServer && (await listenForMetrics({ server, metrics }, metricsServer));
  await app.listen({ host, port: server.port }).catch(rethrow(['server', 'port'], host, server.port));
  const { port } = app.server.address() as AddressInfo;
  return { host, port, metricsPort };
}

export function listenForMetrics(
  { server: { host }, metrics: { port } }: Pick<Settings, 'server' | 'metrics'>,
  server: Server,
): Promise<number> {
  return listen(server, port, host).catch(rethrow(['metrics', 'port'], host, port));
}

function rethrow(path: string[], host: string, port: number) {
  return (error: NodeJS.ErrnoException): never => {
    const address = `${host.includes(':') ? `[${host}]` : host}:${port}`;
    const problem = PROBLEMS[error.code ?? ''];
    if (!problem)
      throw new Error(
        `cannot listen on ${address} (server.host, ${path.join('.')}): ${error.code ?? error.message}`,
        { cause: error },
      );
    throw new Error(
      `${path.join('.')}: cannot listen on ${address}: ${problem} (${error.code}); set ${variableName(path)} to another port`,
      { cause: error },
    );
  };
}
