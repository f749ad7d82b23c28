/** Connections to the API at the level of sockets, and requests with an Upgrade header. */
import type { ClientRequest, RequestOptions } from 'node:http';
import { connect as connectTcp, type Socket } from 'node:net';
import { PATHS } from '../../../contract/image.js';

/** Request options with the Upgrade header that Java's HttpClient sends. */
export function upgradeOptions(protocol: string, port: number): RequestOptions {
  return {
    ...{ port, path: PATHS.graphql, method: 'POST' },
    headers: {
      connection: 'Upgrade, HTTP2-Settings',
      upgrade: protocol,
      'http2-settings': 'AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA',
      'content-type': 'application/json',
    },
  };
}

export function readResponse(request: ClientRequest): Promise<string> {
  return new Promise((resolve, reject) => {
    request.once('error', reject).once('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.once('end', () => resolve(`${response.statusCode} ${response.httpVersion} ${text}`));
    });
    request.end(JSON.stringify({ query: '{ __typename }' }));
  });
}

export function open(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp(port, '127.0.0.1', () => resolve(socket));
    socket.once('error', reject);
  });
}

/** Opens a connection, receives one response and leaves the connection open. */
export async function openKeepAlive(port: number): Promise<Socket> {
  const socket = await open(port);
  socket.write('GET /health HTTP/1.1\r\nhost: x\r\n\r\n');
  await new Promise((resolve) => socket.once('data', resolve));
  return socket;
}

/** Returns the data received until the peer closes the connection. */
export function readUntilClosed(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    socket.on('error', () => undefined);
    if (socket.closed) resolve(text);
    socket.once('close', () => resolve(text));
  });
}
