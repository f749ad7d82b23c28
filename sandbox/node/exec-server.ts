/**
 * Kubelet endpoint of `exec`, without standard input, over WebSocket. The API server passes the connection on if the
 * client requests this subprotocol; newer ones are translated to SPDY, which is not served here.
 */
import type { ChildProcess } from 'node:child_process';
import type { IncomingMessage } from 'node:http';
import type { Server } from 'node:https';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';

/** Starts a command in a running container; undefined if there is none. */
export type StartCommand = (
  namespace: string,
  pod: string,
  container: string,
  command: string[],
) => ChildProcess | undefined;

const PROTOCOL = 'v4.channel.k8s.io';
const STREAMS = { stdout: 1, stderr: 2, status: 3 } as const;

/** Returns a function that closes all connections, and with them their commands. */
export function serveExec(server: Server, start: StartCommand): () => void {
  const sockets = new WebSocketServer({
    noServer: true,
    handleProtocols: (protocols) => (protocols.has(PROTOCOL) ? PROTOCOL : false),
  });
  server.on('upgrade', (request: IncomingMessage, connection: Duplex, head: Buffer) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'https://node');
    const [, what, namespace = '', pod = '', container = ''] = pathname.split('/');
    connection.on('error', () => connection.destroy());
    if (what !== 'exec') return void connection.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n');
    sockets.handleUpgrade(request, connection, head, (socket) => {
      const child = start(namespace, pod, container, searchParams.getAll('command'));
      if (child) return forward(child, socket);
      const message = `container ${container} of ${namespace}/${pod} does not run here`;
      sendTo(socket, STREAMS.status, JSON.stringify({ status: 'Failure', message }));
      socket.close(1000);
    });
  });
  return () => {
    for (const socket of sockets.clients) socket.terminate();
  };
}

function sendTo(socket: WebSocket, stream: number, data: Buffer | string): void {
  socket.send(Buffer.concat([Buffer.from([stream]), Buffer.from(data)]));
}

function forward(child: ChildProcess, socket: WebSocket): void {
  const send = (stream: number, data: Buffer | string) => sendTo(socket, stream, data);
  socket.on('error', () => socket.terminate());
  child.stdout?.on('data', (data: Buffer) => send(STREAMS.stdout, data));
  child.stderr?.on('data', (data: Buffer) => send(STREAMS.stderr, data));
  child.once('close', (code) => {
    send(STREAMS.status, JSON.stringify(statusOf(code ?? 1)));
    socket.close(1000);
  });
  child.once('error', (error) => {
    send(STREAMS.status, JSON.stringify({ status: 'Failure', message: error.message }));
    socket.close(1000);
  });
  socket.once('close', () => child.kill('SIGKILL'));
}

function statusOf(code: number) {
  if (code === 0) return { status: 'Success' };
  const causes = [{ reason: 'ExitCode', message: String(code) }];
  const message = `command terminated with exit code ${code}`;
  return { status: 'Failure', reason: 'NonZeroExitCode', message, details: { causes } };
}
