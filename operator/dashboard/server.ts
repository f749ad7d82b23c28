/**
 * The dashboard over HTTP: the page, its live picture, and the actions where there are any.
 * The page holds nothing secret; what it shows is behind `admit`. Credentials come in the
 * Authorization header and in no cookie, so no other site and no other port can borrow them.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { KubeApiError } from '../runtime/kube-error.js';
import { type Asset, readAssets } from './assets.js';
import { defaultStreamTiming, LiveStream, type StreamTiming } from './live-stream.js';
import type { DashboardSource } from './source.js';
import { detail, listRow } from './view/page-view.js';

/** Why a request is not answered. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** What a person asks for by a button. */
export interface ActionRequest {
  namespace: string;
  name: string;
  action: string;
  weight?: number;
  full?: boolean;
}

export interface DashboardOptions {
  source: DashboardSource;
  /** Throws a {@link Refusal} for one who may not see it. */
  admit: (request: IncomingMessage) => void | Promise<void>;
  /** Does it, and says what it did. Left out: the page only shows. */
  act?: (request: ActionRequest) => Promise<string>;
  host: string;
  /** 0 picks a free one. */
  port: number;
  /** Names it may be called by, without the port: another one is DNS rebinding. */
  names: readonly string[];
  timing?: StreamTiming;
}

const MAX_STREAMS = 64;
const MAX_BODY_BYTES = 4_096;
const SECURITY_HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

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
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', reject).listen(port, host, resolve);
    });
    this.stopListening = source.onChange(() => {
      for (const stream of this.streams) stream.changed();
    });
    return (this.server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    this.stopListening();
    for (const stream of this.streams) stream.close();
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
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
    if (!pathname.startsWith('/api/')) throw new Refusal(404, 'there is no such page');
    await this.options.admit(request);
    const route = `${request.method} ${pathname}`;
    if (route === 'GET /api/pcfapis') return json(response, this.list());
    if (route === 'GET /api/events') return this.stream(request, response, searchParams);
    if (route === 'POST /api/actions') return this.act(request, response);
    throw new Refusal(404, 'there is no such path');
  }

  private checkHost({ headers }: IncomingMessage): void {
    const name = (headers.host ?? '').replace(/:\d+$/, '');
    if (!this.options.names.includes(name)) throw new Refusal(421, `the dashboard is not called "${name}"`);
  }

  private list() {
    const { source, act } = this.options;
    return { rows: source.pcfApis().map(listRow), notices: source.notices(), canAct: act !== undefined };
  }

  private stream(request: IncomingMessage, response: ServerResponse, query: URLSearchParams): void {
    if (this.streams.size >= MAX_STREAMS)
      throw new Refusal(503, `${MAX_STREAMS} people watch already; try again later`);
    const [namespace, name] = [query.get('namespace'), query.get('name')];
    const picture = () => {
      const seen = namespace && name ? this.options.source.see(namespace, name) : undefined;
      return { list: this.list(), ...(name ? { detail: seen ? detail(seen) : null } : {}) };
    };
    const last = request.headers['last-event-id'];
    const stream = new LiveStream(
      response,
      picture,
      Array.isArray(last) ? last[0] : last,
      this.options.timing ?? defaultStreamTiming,
    );
    this.streams.add(stream);
    response.on('close', () => this.streams.delete(stream));
  }

  private async act(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { act } = this.options;
    if (!act) throw new Refusal(405, 'this dashboard only shows; for actions: kubectl pcf dashboard');
    const { origin, host } = request.headers;
    if (origin !== `http://${host}`) throw new Refusal(403, 'actions are taken from the page itself alone');
    if (!request.headers['content-type']?.startsWith('application/json'))
      throw new Refusal(415, 'an action is application/json');
    json(response, { done: await act(await readAction(request)) });
  }
}

async function readAction(request: IncomingMessage): Promise<ActionRequest> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) {
    text += chunk;
    if (text.length > MAX_BODY_BYTES) throw new Refusal(413, 'an action is shorter than that');
  }
  let body: Partial<ActionRequest> | null;
  try {
    body = JSON.parse(text) as Partial<ActionRequest> | null;
  } catch {
    throw new Refusal(400, 'an action is JSON');
  }
  const { namespace, name, action, weight, full } = body ?? {};
  if (typeof namespace !== 'string' || typeof name !== 'string' || typeof action !== 'string')
    throw new Refusal(400, 'an action has namespace, name and action');
  if (weight !== undefined && !(Number.isInteger(weight) && weight >= 0 && weight <= 100))
    throw new Refusal(400, 'weight must be a whole number from 0 to 100');
  return { namespace, name, action, ...(weight === undefined ? {} : { weight }), full: full === true };
}

function json(response: ServerResponse, body: unknown): void {
  response
    .writeHead(200, { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' })
    .end(JSON.stringify(body));
}

/** In the API server's own words, where it was it who refused. */
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
