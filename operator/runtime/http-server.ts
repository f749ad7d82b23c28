/** /healthz, /readyz and /metrics. */
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { Registry } from 'prom-client';
import { closeServer, listen } from './listening.js';

/** Returns undefined if healthy, or a short description of the fault. */
export type Check = () => string | undefined;

export interface HttpServerOptions {
  host: string;
  /** 0: any free port. */
  port: number;
  registry: Registry;
  live: Record<string, Check>;
  ready: Record<string, Check>;
}

export class HttpServer {
  private readonly server: Server;

  constructor(private readonly options: HttpServerOptions) {
    this.server = createServer((request, response) => {
      this.answer(request.url ?? '/', response).catch((error: unknown) => {
        if (response.headersSent) response.destroy();
        else send(response, 500, `${String(error)}\n`);
      });
    });
  }

  /** Resolves with the port. */
  listen(): Promise<number> {
    const { host, port } = this.options;
    return listen(this.server, port, host);
  }

  async close(): Promise<void> {
    await closeServer(this.server);
  }

  private async answer(url: string, response: ServerResponse): Promise<void> {
    const { live, ready, registry } = this.options;
    const path = url.split('?')[0];
    if (path === '/healthz') return sendChecks(response, live);
    if (path === '/readyz') return sendChecks(response, ready);
    if (path !== '/metrics') return send(response, 404, 'not found; try /healthz, /readyz or /metrics\n');
    send(response, 200, await registry.metrics(), registry.contentType);
  }
}

/** One line per check, in the format of `?verbose` of the API server. */
function sendChecks(response: ServerResponse, checks: Record<string, Check>): void {
  const results = Object.entries(checks).map(([name, check]) => ({ name, problem: problemOf(check) }));
  const lines = results.map(({ name, problem }) =>
    problem ? `[-]${name} failed: ${problem}` : `[+]${name} ok`,
  );
  const healthy = results.every(({ problem }) => problem === undefined);
  send(response, healthy ? 200 : 503, `${lines.join('\n')}\n`);
}

function problemOf(check: Check): string | undefined {
  try {
    return check();
  } catch (error) {
    return String(error);
  }
}

function send(
  response: ServerResponse,
  status: number,
  body: string,
  type = 'text/plain; charset=utf-8',
): void {
  response.writeHead(status, { 'content-type': type, 'x-content-type-options': 'nosniff' }).end(body);
}
