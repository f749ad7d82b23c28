/**
 * An HTTPS gateway with the routing of Envoy: by host, header and weight, to ready endpoints only, with 503
 * without an endpoint, and retries after connection failures.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { generate } from 'selfsigned';
import { Agent, type Dispatcher } from 'undici';
import type { RoutingTable, Upstreams } from './routing-table.js';

/** Like Envoy, the gateway buffers a request for retries. */
const MAX_BODY = 1024 * 1024;
const CONNECT_FAILURES = new Set(['ECONNREFUSED', 'ECONNRESET', 'UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_SOCKET']);
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'transfer-encoding',
  'te',
  'trailer',
  'upgrade',
  'expect',
]);

export class Gateway {
  private readonly upstream = new Agent({ keepAliveTimeout: 1_000, connections: 64, headersTimeout: 60_000 });
  private server: Server | undefined;

  constructor(
    private readonly table: RoutingTable,
    private readonly stateDir: string,
  ) {}

  /** Path of the certificate for clients: `curl --cacert`. */
  get caPath(): string {
    return join(this.stateDir, 'gateway', 'ca.crt');
  }

  /** Resolves with the port. */
  async start(port = 0): Promise<number> {
    const { key, cert } = await this.certificate();
    this.server = createServer({ key, cert, keepAliveTimeout: 30_000 }, (request, response) => {
      this.forward(request, response).catch(() => response.destroy());
    });
    await new Promise<void>((resolve, reject) =>
      this.server!.once('error', reject).listen(port, '127.0.0.1', resolve),
    );
    return (this.server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    this.server?.closeAllConnections();
    await new Promise((resolve) => (this.server ? this.server.close(resolve) : resolve(undefined)));
    await this.upstream.destroy();
  }

  private async forward(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const host = (request.headers.host ?? '').split(':')[0] ?? '';
    const body = await readBody(request);
    if (!body) return refuse(response, 413, 'request is too large');
    if (!this.table.knows(host)) return refuse(response, 404, `no route for host ${host}`);
    const { ports, responseHeaders } = this.table.upstreams(host, request);
    if (ports.length === 0) return refuse(response, 503, 'no healthy upstream');
    for (const port of this.table.mirrors(host, request)) void this.mirror(port, request, body);
    for (const port of ports.slice(0, 3)) {
      try {
        return await this.send(port, request, body, response, responseHeaders);
      } catch (error) {
        if (response.headersSent || !CONNECT_FAILURES.has((error as { code?: string }).code ?? '')) {
          return response.headersSent
            ? void response.destroy()
            : refuse(response, 502, `upstream failed: ${(error as Error).message}`);
        }
      }
    }
    refuse(response, 503, 'upstream connect error');
  }

  private async send(
    port: number,
    request: IncomingMessage,
    body: Buffer,
    response: ServerResponse,
    added: Upstreams['responseHeaders'],
  ): Promise<void> {
    const answer = await this.upstream.request(forwarded(port, request, body));
    const kept = Object.entries(answer.headers).filter(([name]) => !HOP_BY_HOP.has(name));
    response.statusCode = answer.statusCode;
    for (const [name, value] of kept) if (value !== undefined) response.setHeader(name, value);
    for (const [name, value] of added) response.appendHeader(name, value);
    await pipeline(answer.body, response);
  }

  /** Mirrors a request with a modified host name, like Envoy. The response is ignored. */
  private async mirror(port: number, request: IncomingMessage, body: Buffer): Promise<void> {
    const host = `${request.headers.host ?? ''}-shadow`;
    const answer = await this.upstream
      .request({ ...forwarded(port, request, body), headers: { ...headersOf(request), host } })
      .catch(() => undefined);
    await answer?.body.dump().catch(() => undefined);
  }

  /** Created once per state folder. */
  private async certificate(): Promise<{ key: string; cert: string }> {
    const keyPath = join(this.stateDir, 'gateway', 'ca.key');
    if (!existsSync(this.caPath)) {
      const altNames = ['localhost', '*.example.com', 'example.com'].map((value) => ({
        type: 2 as const,
        value,
      }));
      const made = await generate([{ name: 'commonName', value: 'PCF sandbox gateway' }], {
        keySize: 2048,
        algorithm: 'sha256',
        notAfterDate: new Date(Date.now() + 365 * 86_400_000),
        extensions: [
          { name: 'basicConstraints', cA: true, critical: true },
          { name: 'subjectAltName', altNames: [...altNames, { type: 7 as const, ip: '127.0.0.1' }] },
        ],
      });
      mkdirSync(join(this.stateDir, 'gateway'), { recursive: true });
      writeFileSync(keyPath, made.private, { mode: 0o600 });
      writeFileSync(this.caPath, made.cert);
    }
    return { key: readFileSync(keyPath, 'utf8'), cert: readFileSync(this.caPath, 'utf8') };
  }
}

function forwarded(port: number, request: IncomingMessage, body: Buffer): Dispatcher.RequestOptions {
  return {
    origin: `http://127.0.0.1:${port}`,
    path: request.url ?? '/',
    method: (request.method ?? 'GET') as Dispatcher.HttpMethod,
    headers: headersOf(request),
    body: body.length > 0 ? body : null,
  };
}

function headersOf(request: IncomingMessage): Record<string, string | string[] | undefined> {
  const kept = Object.entries(request.headers).filter(([name]) => !HOP_BY_HOP.has(name));
  return {
    ...Object.fromEntries(kept),
    'x-forwarded-proto': 'https',
    'x-forwarded-for': request.socket.remoteAddress ?? '',
  };
}

async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function refuse(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain' }).end(`${text}\n`);
}
