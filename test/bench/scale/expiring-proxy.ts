/**
 * A proxy of the API server, as a program: at SIGUSR2 it ends each watch of pods with the error of an expired
 * version (410), so that the operator lists the pods again. Arguments: address of the API server, and the folder of
 * its certificate and key, which the proxy uses as well, because clients reject plain HTTP. Prints its port.
 */
import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { Agent } from 'undici';

const [, , origin = '', folder = ''] = process.argv;
const [cert, key] = ['crt', 'key'].map((end) => readFileSync(`${folder}/apiserver.${end}`, 'utf8'));
const agent = new Agent({ connect: { ca: cert }, bodyTimeout: 0 });
const expired = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version' };
const watches = new Set<() => void>();

process.on('SIGUSR2', () => {
  for (const end of watches) end();
});

const server = createServer({ cert, key }, (request, response) => {
  forward(request, response).catch(() => {
    // The end of an expired watch is still being sent.
    if (!response.writableEnded) response.destroy();
  });
});
server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port));

async function forward(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { host: _, connection: __, 'transfer-encoding': ___, ...headers } = request.headers;
  const stop = new AbortController();
  response.on('close', () => stop.abort());
  const { pathname, searchParams } = new URL(request.url ?? '/', origin);
  const answer = await agent.request({
    origin,
    path: request.url ?? '/',
    method: request.method as 'GET',
    headers,
    body: request.method === 'GET' ? null : request,
    signal: stop.signal,
  });
  response.writeHead(answer.statusCode, answer.headers);
  const isPodWatch = pathname.endsWith('/pods') && searchParams.has('watch');
  if (!isPodWatch) return void answer.body.pipe(response);
  let rest = Buffer.alloc(0);
  const end = () => {
    watches.delete(end);
    response.end(`${JSON.stringify({ type: 'ERROR', object: expired })}\n`);
    stop.abort();
  };
  watches.add(end);
  response.on('close', () => watches.delete(end));
  // Whole lines only: the error must not follow a part of an event.
  for await (const chunk of answer.body as AsyncIterable<Buffer>) {
    const text = Buffer.concat([rest, chunk]);
    const lines = text.lastIndexOf(10) + 1;
    rest = Buffer.from(text.subarray(lines));
    response.write(text.subarray(0, lines));
  }
  response.end();
}
