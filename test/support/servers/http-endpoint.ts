/** A real HTTP or HTTPS server for outgoing requests of the operator. It can fail, hang and recover. */
import { createServer, type IncomingHttpHeaders, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { generate } from 'selfsigned';

export interface ReceivedRequest {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
}

export interface Answer {
  status?: number;
  headers?: Record<string, string>;
  body?: string;
}

export class HttpEndpoint {
  readonly requests: ReceivedRequest[] = [];
  /** The response. `hang` sends none, `cut` closes the connection. */
  answer: Answer | 'hang' | 'cut' | ((request: ReceivedRequest) => Answer | 'hang' | 'cut') = {};

  private constructor(
    private readonly server: Server,
    readonly url: string,
    /** The certificate to trust; empty without TLS. */
    readonly ca: string,
  ) {}

  static async start(tls = false): Promise<HttpEndpoint> {
    let endpoint: HttpEndpoint | undefined;
    const listener: RequestListener = async (request, response) => {
      const body = (await request.toArray()).join('');
      const { method = '', url = '', headers } = request;
      const received = { method, path: url, headers, body };
      endpoint!.requests.push(received);
      const { answer } = endpoint!;
      const given = typeof answer === 'function' ? answer(received) : answer;
      if (given === 'hang') return;
      if (given === 'cut') return void request.socket.destroy();
      response.writeHead(given.status ?? 200, given.headers).end(given.body ?? '');
    };
    const pair = tls ? await selfSigned() : undefined;
    const server = pair
      ? createTlsServer({ key: pair.private, cert: pair.cert }, listener)
      : createServer(listener);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    endpoint = new HttpEndpoint(server, `${tls ? 'https' : 'http'}://127.0.0.1:${port}`, pair?.cert ?? '');
    return endpoint;
  }

  /** Parsed JSON bodies of the requests. */
  get bodies(): Record<string, unknown>[] {
    return this.requests.map(({ body }) => JSON.parse(body) as Record<string, unknown>);
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

function selfSigned() {
  const altNames = [{ type: 7 as const, ip: '127.0.0.1' }];
  return generate([{ name: 'commonName', value: 'test' }], {
    keyType: 'ec',
    extensions: [
      { name: 'basicConstraints', cA: true },
      { name: 'subjectAltName', altNames },
    ],
  });
}
