import { createServer } from 'node:net';

/**
 * Below the ephemeral ports of all systems (Linux from 32768, macOS from 49152). An ephemeral port can be
 * taken while its server is down: by an outgoing connection, even by a client of that server, which then
 * connects to itself.
 */
const FIRST = 20_000;
const COUNT = 12_000;

let next = Math.floor(Math.random() * COUNT);

/**
 * Free ports on the loopback address; each is returned only once per process. Throws if there are not enough.
 */
export async function freePorts(count: number): Promise<number[]> {
  const found: number[] = [];
  for (let tries = 0; found.length < count; tries++) {
    if (tries === COUNT) throw new Error(`no ${count} free ports from ${FIRST} to ${FIRST + COUNT - 1}`);
    const port = FIRST + (next++ % COUNT);
    if (await isFree(port)) found.push(port);
  }
  return found;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
