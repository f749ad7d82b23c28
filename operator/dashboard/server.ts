/**
 * HTTP server of the dashboard: the page, its live state, and actions if enabled. The page itself
 * contains no data; `admit` protects the data. Credentials are sent in the Authorization header and not
 * in a cookie, so that other sites and ports can't use them (CSRF).
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { KubeApiError } from '../runtime/kube-error.js';
import { closeServer, listen } from '../runtime/listening.js';
import { Refusal, readBody } from '../runtime/refusal.js';
import { SECURITY_HEADERS } from '../runtime/security-headers.js';
import { type Asset, readAssets } from './assets.js';
import { ListPart, type ListUpdate } from './list-part.js';
import { defaultStreamTiming, LiveStream, partsOf, type StreamTiming, whole } from './live-stream.js';
import type { DashboardSource } from './source.js';
import { detail } from './view/page-view.js';

/** Request of an action button. */
export interface ActionRequest {
  namespace: string;
  name: string;
  action: string;
  weight?: number;
  full?: boolean;
}

export interface DashboardOptions {
  source: DashboardSource;
  /** Throws a {@link Refusal} if the caller is not authenticated or not authorized. */
  admit: (request: IncomingMessage) => void | Promise<void>;
  /** Performs an action and returns its description. Unset: the page is read-only. */
  act?: (request: ActionRequest) => Promise<string>;
  host: string;
  /** 0: any free port. */
  port: number;
  /** Allowed host names, without the port. Protects against DNS rebinding. */
  names: readonly string[];
  timing?: StreamTiming;
}

const MAX_STREAMS = 64;
const MAX_BODY_BYTES = 4_096;

export class DashboardServer {
  private readonly server: Server;
  private readonly streams = new Set<LiveStream>();
  private readonly assets: ReadonlyMap<string, Asset> = readAssets();
  private stopListening = () => {};

  constructor(private readonly options: DashboardOptions) {
    this.server = createServer((request, response) => {
      for (const [name, value] of Object.entries(SECURITY_HEADERS)) response.setHeader(name, value);
      this.answer(request, response).catch((error: unknown) => refuse(response, error));
    });
  }

  /** Resolves with the port. */
  async listen(): Promise<number> {
    const { host, port, source } = this.options;
    const listening = await listen(this.server, port, host);
    this.stopListening = source.onChange(() => {
      for (const stream of this.streams) stream.changed();
    });
    return listening;
  }

  async close(): Promise<void> {
    this.stopListening();
    for (const stream of this.streams) stream.close();
    await closeServer(this.server);
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.checkHost(request);
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://dashboard');
    const asset = this.assets.get(pathname);
    if (asset) {
      if (request.method !== 'GET' && request.method !== 'HEAD') throw new Refusal(405, 'only GET');
      return void response
        .writeHead(200, { 'content-type': asset.type, 'cache-control': 'no-cache' })
        .end(request.method === 'HEAD' ? undefined : asset.body);
    }
    if (!pathname.startsWith('/api/')) throw new Refusal(404, 'page not found');
    await this.options.admit(request);
    const route = `${request.method} ${pathname}`;
    if (route === 'GET /api/pcfapis') return json(response, this.list());
    if (route === 'GET /api/events') return this.stream(request, response, searchParams);
    if (route === 'POST /api/actions') return this.act(request, response);
    throw new Refusal(404, 'path not found');
  }

  private checkHost({ headers }: IncomingMessage): void {
    const name = (headers.host ?? '').replace(/:\d+$/, '');
    if (!this.options.names.includes(name)) throw new Refusal(421, `host name "${name}" is not allowed`);
  }

  private get canAct(): boolean {
    return this.options.act !== undefined;
  }

  private list(): ListUpdate {
    return new ListPart(this.options.source, this.canAct).data();
  }

  private stream(request: IncomingMessage, response: ServerResponse, query: URLSearchParams): void {
    if (this.streams.size >= MAX_STREAMS)
      throw new Refusal(503, `too many streams (${MAX_STREAMS}); retry later`);
    const [namespace, name] = [query.get('namespace'), query.get('name')];
    const [last] = [request.headers['last-event-id'] ?? []].flat();
    const list = new ListPart(this.options.source, this.canAct, partsOf(last).get('list'));
    const picture = () => {
      const seen = namespace && name ? this.options.source.see(namespace, name) : undefined;
      return { list, ...(name ? { detail: whole(seen ? detail(seen) : null) } : {}) };
    };
    const stream = new LiveStream(response, picture, last, this.options.timing ?? defaultStreamTiming);
    this.streams.add(stream);
    response.on('close', () => this.streams.delete(stream));
  }

  private async act(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { act } = this.options;
    if (!act) throw new Refusal(405, 'this dashboard is read-only; for actions: kubectl pcf dashboard');
    const { origin, host } = request.headers;
    if (origin !== `http://${host}`) throw new Refusal(403, 'actions are accepted from the same origin only');
    if (!request.headers['content-type']?.startsWith('application/json'))
      throw new Refusal(415, 'the content type of an action must be application/json');
    json(response, { done: await act(await readAction(request)) });
  }
}

async function readAction(request: IncomingMessage): Promise<ActionRequest> {
  const text = await readBody(request, MAX_BODY_BYTES, 'the body of the action');
  let body: Partial<ActionRequest> | null;
  try {
    body = JSON.parse(text) as Partial<ActionRequest> | null;
  } catch {
    throw new Refusal(400, 'the body of an action must be JSON');
  }
  const { namespace, name, action, weight, full } = body ?? {};
  if (typeof namespace !== 'string' || typeof name !== 'string' || typeof action !== 'string')
    throw new Refusal(400, 'an action needs namespace, name and action');
  if (weight !== undefined && !(Number.isInteger(weight) && weight >= 0 && weight <= 100))
    throw new Refusal(400, 'weight must be a whole number from 0 to 100');
  return { namespace, name, action, ...(weight === undefined ? {} : { weight }), full: full === true };
}

function json(response: ServerResponse, body: unknown): void {
  response
    .writeHead(200, { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' })
    .end(JSON.stringify(body));
}

/** Responds with the error message of the API server if it rejected the request. */
function refuse(response: ServerResponse, error: unknown): void {
  if (response.headersSent) return void response.destroy();
  const status = error instanceof Refusal || error instanceof KubeApiError ? error.status : 500;
  const message = error instanceof Error ? error.message : String(error);
  response
    .writeHead(status, {
      'content-type': 'application/json; charset=utf-8',
      'cache-control': 'no-store',
      ...(status === 401 ? { 'www-authenticate': 'Bearer' } : {}),
    })
    .end(JSON.stringify({ error: message }));
}
