/** The part of Grafana's HTTP API that annotations use. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

interface Annotation {
  text: string;
  tags: string[];
  time: number;
  timeEnd?: number;
}

export class FakeGrafana {
  readonly annotations = new Map<number, Annotation>();
  readonly tokens: string[] = [];
  readonly traces: string[] = [];
  /** Runs before each change is applied, and delays it. */
  beforeChange: () => Promise<void> = async () => undefined;
  /** Number of next requests that fail with status 500. */
  failing = 0;

  private constructor(private readonly server: Server) {}

  static async start(): Promise<FakeGrafana> {
    const server = createServer();
    const grafana = new FakeGrafana(server);
    server.on('request', (request, response) => {
      let text = '';
      request.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      request.once('end', async () => {
        grafana.traces.push(String(request.headers.traceparent));
        grafana.tokens.push(String(request.headers.authorization));
        const fails = grafana.failing-- > 0;
        if (request.method !== 'GET') await grafana.beforeChange();
        const answer = fails ? {} : grafana.#answer(request.method ?? '', request.url ?? '', text);
        response.writeHead(fails ? 500 : 200, { 'content-type': 'application/json' });
        response.end(JSON.stringify(answer));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return grafana;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.server.closeAllConnections();
    this.server.close();
  }

  #answer(method: string, url: string, text: string): unknown {
    const { pathname, searchParams } = new URL(url, this.url);
    if (method === 'GET') {
      const tag = searchParams.get('tags') ?? '';
      return [...this.annotations].flatMap(([id, { tags }]) => (tags.includes(tag) ? [{ id }] : []));
    }
    const id = method === 'PATCH' ? Number(pathname.split('/').at(-1)) : this.annotations.size + 1;
    this.annotations.set(id, JSON.parse(text) as Annotation);
    return { id };
  }
}
