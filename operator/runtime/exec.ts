/**
 * Runs a command in a container over the WebSocket subprotocol of the API server, which prefixes each message with
 * the number of its stream: https://kubernetes.io/docs/reference/using-api/api-concepts/
 */
import { WebSocket } from 'undici';
import type { Connection } from './connection.js';

/** The kubelet speaks it as well, so the API server forwards the connection unchanged. */
const PROTOCOL = 'v4.channel.k8s.io';
const STREAMS = { stdout: 1, stderr: 2, status: 3 } as const;
const MAX_OUTPUT_BYTES = 1_048_576;

export interface ExecResult {
  stdout: string;
  stderr: string;
  /** Exit code of the command; undefined if it was not started. */
  exitCode: number | undefined;
  /** Reason if it was not started, or failed. */
  message?: string;
}

/** Status object of the last message. */
interface ExecStatus {
  status?: 'Success' | 'Failure';
  message?: string;
  details?: { causes?: { reason?: string; message?: string }[] };
}

/** Rejects if the connection is refused, or ends without a status. */
export function execOver(
  { agent, authorization, origin, basePath }: Connection,
  path: string,
  signal: AbortSignal,
): Promise<ExecResult> {
  const { promise, resolve, reject } = Promise.withResolvers<ExecResult>();
  const socket = new WebSocket(`${origin.replace(/^http/, 'ws')}${basePath}${path}`, {
    protocols: [PROTOCOL],
    dispatcher: agent,
    headers: authorization ? { authorization } : {},
  });
  socket.binaryType = 'arraybuffer';
  const output = { [STREAMS.stdout]: '', [STREAMS.stderr]: '', [STREAMS.status]: '' };
  const decoders = Object.fromEntries(Object.values(STREAMS).map((id) => [id, new TextDecoder()]));
  const abort = () => {
    reject(signal.reason);
    socket.close();
  };
  signal.addEventListener('abort', abort, { once: true });
  socket.addEventListener('message', ({ data }) => {
    const [id = 0, ...rest] = new Uint8Array(data as ArrayBuffer);
    const stream = id as keyof typeof output;
    if (!(stream in output) || output[stream].length > MAX_OUTPUT_BYTES) return;
    output[stream] += decoders[stream]!.decode(Uint8Array.from(rest), { stream: true });
  });
  socket.addEventListener('error', () => reject(new Error('the connection for exec was refused')));
  socket.addEventListener('close', () => {
    signal.removeEventListener('abort', abort);
    const status = output[STREAMS.status];
    if (!status) return reject(new Error('the connection for exec ended without a status'));
    resolve({
      stdout: output[STREAMS.stdout],
      stderr: output[STREAMS.stderr],
      ...resultOf(JSON.parse(status)),
    });
  });
  return promise;
}

function resultOf({ status, message, details }: ExecStatus): Pick<ExecResult, 'exitCode' | 'message'> {
  if (status === 'Success') return { exitCode: 0 };
  const code = details?.causes?.find(({ reason }) => reason === 'ExitCode')?.message;
  return { exitCode: code === undefined ? undefined : Number(code), message };
}
