/** Kubelet endpoints of `kubectl logs` and of exec. The API server authenticates with its client certificate. */
import { createReadStream, existsSync, statSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type StartCommand, serveExec } from './exec-server.js';

export interface LogFile {
  path: string;
  /** Whether the container can still write to it. */
  open(): boolean;
}

export type FindLog = (
  namespace: string,
  pod: string,
  container: string,
  previous: boolean,
) => LogFile | undefined;

/** Certificate and key in PEM format, for mutual TLS. */
export interface Identity {
  cert: string;
  key: string;
}

const LOOK_AGAIN_MS = 100;

export class LogServer {
  private readonly server: Server;
  private readonly stopping = new AbortController();
  private readonly closeExec: () => void;

  constructor(
    { cert, key }: Identity,
    private readonly find: FindLog,
    start: StartCommand,
  ) {
    const options = { cert, key, ca: cert, requestCert: true, rejectUnauthorized: true };
    this.server = createServer(options, (request, response) => {
      this.answer(new URL(request.url ?? '/', 'https://node'), response).catch(() => response.destroy());
    });
    this.closeExec = serveExec(this.server, start);
  }

  /** Resolves with its port. */
  listen(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(0, '127.0.0.1', () => resolve((this.server.address() as AddressInfo).port));
    });
  }

  stop(): void {
    this.stopping.abort();
    this.server.close();
    this.server.closeAllConnections();
    // They no longer belong to the HTTP server.
    this.closeExec();
  }

  private async answer({ pathname, searchParams }: URL, response: ServerResponse): Promise<void> {
    const [, what, namespace = '', pod = '', container = ''] = pathname.split('/');
    const log =
      what === 'containerLogs'
        ? this.find(namespace, pod, container, searchParams.get('previous') === 'true')
        : undefined;
    if (!log || !existsSync(log.path)) {
      response.writeHead(404).end(`container ${container} of ${namespace}/${pod} has no log here`);
      return;
    }
    response.writeHead(200, { 'content-type': 'text/plain' });
    const lines = searchParams.get('tailLines');
    let position = lines === null ? 0 : await tailPosition(log.path, Number(lines));
    const follow = searchParams.get('follow') === 'true';
    for (let more = true; more && !response.destroyed; ) {
      // Evaluated before the read, so that the last output is not missed.
      more = follow && log.open() && !this.stopping.signal.aborted;
      position = await copy(log.path, position, response);
      if (more) await sleep(LOOK_AGAIN_MS, undefined, { ref: false });
    }
    response.end();
  }
}

/** Sends the content from a position, and returns the end position. */
async function copy(path: string, start: number, response: ServerResponse): Promise<number> {
  const end = statSync(path).size;
  if (end <= start) return start;
  for await (const chunk of createReadStream(path, { start, end: end - 1 })) response.write(chunk);
  return end;
}

/** Start position of the last lines. */
async function tailPosition(path: string, lines: number): Promise<number> {
  const starts: number[] = [0];
  let position = 0;
  for await (const chunk of createReadStream(path)) {
    for (const byte of chunk as Buffer) {
      position += 1;
      if (byte !== 0x0a) continue;
      starts.push(position);
      if (starts.length > lines + 1) starts.shift();
    }
  }
  if (lines === 0) return position;
  // A trailing newline starts no further line.
  return starts.at(-1) === position
    ? (starts.at(-lines - 1) ?? starts[0]!)
    : (starts.at(-lines) ?? starts[0]!);
}
