/**
 * HTTP server of approval links. GET returns a page without data, so previews of links and mail scanners change
 * nothing; the page sends the token of its fragment with POST, and acts only when its button is pressed. No cookie is
 * read, and actions are accepted from the page itself only (CSRF). Requests are not logged: nothing records a token.
 */
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { shippedPath } from '../../contract/shipped-files.js';
import { closeServer, listen } from '../runtime/listening.js';
import { Refusal, readBody } from '../runtime/refusal.js';
import { SECURITY_HEADERS } from '../runtime/security-headers.js';
import type { LinkService } from './link-service.js';
import { WrongLinkError } from './token.js';

export interface ApprovalServerOptions {
  service: Pick<LinkService, 'describeLink' | 'useLink'>;
  publicUrl: string;
  host: string;
  /** 0: any free port. */
  port: number;
  /** Request header in which an authenticating proxy names the user. Unset: no header is trusted. */
  userHeader?: string;
  logger: Pick<Logger, 'error'>;
}

const MAX_BODY_BYTES = 4_096;
const MAX_CONNECTIONS = 256;
const TIMEOUT_MS = 10_000;
const FILES = { '/': 'index.html', '/link.js': 'link.js', '/style.css': 'style.css' } as const;
const TYPES = { html: 'text/html', js: 'text/javascript', css: 'text/css' } as const;
const STATUS = { Open: 200, Accepted: 200, Expired: 410, Used: 410, Blocked: 409 } as const;

export class ApprovalServer {
  private readonly server: Server;
  private readonly files = readFiles();
  private readonly basePath: string;
  private readonly origin: string;

  constructor(private readonly options: ApprovalServerOptions) {
    const { pathname, origin } = new URL(options.publicUrl);
    this.basePath = pathname.replace(/\/$/, '');
    this.origin = origin;
    const limits = { requestTimeout: TIMEOUT_MS, headersTimeout: TIMEOUT_MS };
    this.server = createServer(limits, (request, response) => {
      for (const [name, value] of Object.entries(SECURITY_HEADERS)) response.setHeader(name, value);
      response.setHeader('cache-control', 'no-store');
      this.answer(request, response).catch((error: unknown) => this.fail(request, response, error));
    });
    this.server.maxConnections = MAX_CONNECTIONS;
  }

  /** Resolves with the port. */
  listen(): Promise<number> {
    const { host, port } = this.options;
    return listen(this.server, port, host);
  }

  async close(): Promise<void> {
    await closeServer(this.server);
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { service } = this.options;
    const path = this.pathOf(request);
    const file = this.files.get(path);
    if (file) {
      if (request.method !== 'GET' && request.method !== 'HEAD') throw new Refusal(405, 'use GET');
      response.writeHead(200, { 'content-type': `${file.type}; charset=utf-8` }).end(file.body);
      return;
    }
    if (path !== '/look' && path !== '/use') throw new Refusal(404, 'page not found');
    if (request.method !== 'POST') throw new Refusal(405, 'use POST');
    this.requireOwnPage(request);
    const user = path === '/use' ? this.userOf(request) : undefined;
    const token = await readToken(request);
    const result = path === '/use' ? await service.useLink(token, user) : await service.describeLink(token);
    send(response, STATUS[result.state], result);
  }

  /** With or without the path of the public URL, which a proxy may remove. */
  private pathOf({ url = '/' }: IncomingMessage): string {
    const path = url.split('?')[0]!;
    const isBelow = path === this.basePath || path.startsWith(`${this.basePath}/`);
    return (isBelow ? path.slice(this.basePath.length) : path) || '/';
  }

  private requireOwnPage({ headers }: IncomingMessage): void {
    if (headers.origin !== this.origin)
      throw new Refusal(403, `requests are accepted from the page at ${this.origin} only`);
    if (!headers['content-type']?.startsWith('application/json'))
      throw new Refusal(415, 'the content type must be application/json');
  }

  /**
   * A request without the header did not pass the authenticating proxy. One with several values may have one of the
   * client: proxies can add a header instead of replacing it.
   */
  private userOf({ headersDistinct }: IncomingMessage): string | undefined {
    const { userHeader } = this.options;
    if (!userHeader) return undefined;
    const [user = '', ...others] = headersDistinct[userHeader.toLowerCase()] ?? [];
    const isName = /^[\x21-\x7e][\x20-\x7e]{0,127}$/.test(user) && !user.includes(',');
    if (isName && others.length === 0) return user;
    throw new Refusal(403, 'the authenticating proxy did not name exactly one user');
  }

  /** Unexpected errors are for the log of the operator only. */
  private fail(request: IncomingMessage, response: ServerResponse, error: unknown): void {
    // The client aborted its request: it must not fill the log.
    const isAborted = request.readableAborted && !(error instanceof Refusal);
    if (response.headersSent || isAborted) return void response.destroy();
    const { status, ...body } = this.responseTo(error);
    send(response, status, body);
  }

  private responseTo(error: unknown) {
    if (error instanceof WrongLinkError)
      return { status: 403, state: 'Wrong', message: 'This is not a valid approval link.' };
    if (error instanceof Refusal) return { status: error.status, state: 'Failed', message: error.message };
    this.options.logger.error({ err: error }, 'approval request failed');
    return { status: 503, state: 'Failed', message: 'The request failed. Retry, or use: kubectl pcf' };
  }
}

async function readToken(request: IncomingMessage): Promise<string> {
  const text = await readBody(request, MAX_BODY_BYTES, 'the body');
  try {
    const { token } = JSON.parse(text) as { token?: unknown };
    if (typeof token === 'string') return token;
  } catch {
    // not JSON
  }
  throw new Refusal(400, 'the body must be JSON with a token');
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' }).end(JSON.stringify(body));
}

/** Only these paths are served, so path traversal is not possible. */
function readFiles(): ReadonlyMap<string, { type: string; body: Buffer }> {
  const folder = shippedPath('operator/approvals/page', import.meta.url);
  return new Map(
    Object.entries(FILES).map(([path, file]) => {
      const type = TYPES[file.split('.').at(-1) as keyof typeof TYPES];
      return [path, { type, body: readFileSync(join(folder, file)) }];
    }),
  );
}
