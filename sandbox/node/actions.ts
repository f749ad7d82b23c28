/** Actions of probes and hooks: an HTTP request, a connection, a command. */
import { execFile } from 'node:child_process';
import { connect } from 'node:net';
import { promisify } from 'node:util';
import { Agent, request } from 'undici';
import type { Action, HttpGet } from './types.js';

/** The running container of an action. */
export interface ActionTarget {
  /** Local port of a container port, by number or name. */
  localPort(port: number | string): number | undefined;
  /** Converts a command of the container to a local command. */
  localCommand(command: readonly string[]): string[];
  env: NodeJS.ProcessEnv;
  cwd: string;
}

/** Like the kubelet, it does not verify the server certificate, and uses a new connection each time. */
const agent = new Agent({ connect: { rejectUnauthorized: false }, pipelining: 0 });

/** Resolves if it succeeded. Throws the cause otherwise. */
export async function act(target: ActionTarget, action: Action, timeoutMs: number): Promise<void> {
  if (action.httpGet) await httpGet(target, action.httpGet, timeoutMs);
  else if (action.tcpSocket) await reach(target.localPort(action.tcpSocket.port), timeoutMs);
  else if (action.exec) {
    const [command, ...args] = target.localCommand(action.exec.command);
    const { env, cwd } = target;
    await promisify(execFile)(command!, args, { timeout: timeoutMs, killSignal: 'SIGKILL', env, cwd });
  }
}

async function httpGet(target: ActionTarget, get: HttpGet, timeoutMs: number): Promise<void> {
  const { path = '/', port, scheme = 'HTTP', httpHeaders = [] } = get;
  const local = target.localPort(port);
  if (!local) throw new Error(`the container has no port ${port}`);
  const { statusCode, body } = await request(`${scheme.toLowerCase()}://127.0.0.1:${local}${path}`, {
    dispatcher: agent,
    headers: Object.fromEntries(httpHeaders.map(({ name, value }) => [name, value])),
    signal: AbortSignal.timeout(timeoutMs),
  });
  await body.dump();
  if (statusCode < 200 || statusCode >= 400) throw new Error(`HTTP status ${statusCode}`);
}

function reach(port: number | undefined, timeoutMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    if (!port) return reject(new Error('the container has no such port'));
    const socket = connect({ port, host: '127.0.0.1', timeout: timeoutMs });
    const end = (error?: Error) => {
      socket.destroy();
      if (error) reject(error);
      else resolve();
    };
    socket.once('connect', () => end());
    socket.once('timeout', () => end(new Error('timed out')));
    socket.once('error', end);
  });
}
