/** A Git repository, served over HTTP by Git's own CGI program. */
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';

const IDENTITY = { GIT_AUTHOR_NAME: 'test', GIT_AUTHOR_EMAIL: 'test@example.com' };

export class GitServer {
  private constructor(
    private readonly folder: string,
    private readonly server: Server,
  ) {}

  /** Starts it with an empty repository. */
  static async start(folder: string): Promise<GitServer> {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    execFileSync('git', ['init', '--quiet', '--initial-branch=main', 'platform'], { cwd: folder });
    const server = createServer((request, response) => serve(folder, request, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new GitServer(folder, server);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/platform/.git`;
  }

  /** Commits files to the branch main. Returns the commit. */
  commit(message: string, files: Record<string, string>): string {
    const cwd = join(this.folder, 'platform');
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(dirname(join(cwd, path)), { recursive: true });
      writeFileSync(join(cwd, path), content);
    }
    const committer = {
      GIT_COMMITTER_NAME: IDENTITY.GIT_AUTHOR_NAME,
      GIT_COMMITTER_EMAIL: IDENTITY.GIT_AUTHOR_EMAIL,
    };
    const git = (...args: string[]) =>
      execFileSync('git', args, {
        cwd,
        encoding: 'utf8',
        env: { ...process.env, ...IDENTITY, ...committer },
      });
    git('add', '--all');
    git('commit', '--quiet', '--message', message);
    return git('rev-parse', 'HEAD').trim();
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

/** One CGI request (RFC 3875). */
function serve(folder: string, request: IncomingMessage, response: ServerResponse): void {
  const { pathname, search } = new URL(request.url ?? '/', 'http://localhost');
  const { headers, method = 'GET' } = request;
  const child = spawn('git', ['http-backend'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: {
      PATH: process.env.PATH,
      HOME: folder,
      ...{ GIT_PROJECT_ROOT: folder, GIT_HTTP_EXPORT_ALL: '1', REQUEST_METHOD: method },
      ...{ PATH_INFO: pathname, QUERY_STRING: search.slice(1), CONTENT_TYPE: headers['content-type'] ?? '' },
      ...{ GIT_PROTOCOL: String(headers['git-protocol'] ?? ''), REMOTE_ADDR: '127.0.0.1' },
      ...{ HTTP_CONTENT_ENCODING: headers['content-encoding'] ?? '' },
      ...(headers['content-length'] ? { CONTENT_LENGTH: headers['content-length'] } : {}),
    },
  });
  request.pipe(child.stdin);
  child.stdin.on('error', () => {}); // it does not read the whole request
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.once('close', () => {
    const output = Buffer.concat(chunks);
    const end = output.indexOf('\r\n\r\n');
    const fields = output.subarray(0, Math.max(end, 0)).toString().split('\r\n');
    let status = end < 0 ? 500 : 200;
    for (const field of fields.filter(Boolean)) {
      const [name = '', value = ''] = field.split(': ');
      if (name === 'Status') status = Number.parseInt(value, 10);
      else response.setHeader(name, value);
    }
    response.writeHead(status).end(output.subarray(end + 4));
  });
}
