/** A TCP proxy that can mute, refuse or delay connections, for an unreliable network to the API server. */

import type { AddressInfo } from 'node:net';
import { connect, createServer, type Server, type Socket } from 'node:net';

interface Pair {
  near: Socket;
  far: Socket;
}

export class TcpProxy {
  /** Delay of data from the client, in milliseconds. */
  delayMs = 0;
  /** Delay of data from the server, in milliseconds. */
  answerDelayMs = 0;
  /** Number of connection attempts, including refused ones. */
  attempts = 0;
  private refusing = false;
  private readonly pairs = new Set<Pair>();
  private readonly server: Server = createServer((near) => this.accept(near));

  private constructor(private readonly target: URL) {}

  /** Starts a proxy in front of `url`, which must have an address and a port. */
  static async before(url: string): Promise<TcpProxy> {
    const proxy = new TcpProxy(new URL(url));
    await new Promise<void>((resolve) => proxy.server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get url(): string {
    return `https://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  get connections(): number {
    return this.pairs.size;
  }

  /** Keeps open connections open, but transfers no more data on them. New connections work. */
  muteOpenConnections(): void {
    for (const { near, far } of this.pairs) {
      near.removeAllListeners('data').pause();
      far.removeAllListeners('data').pause();
    }
  }

  /** Closes every connection, and refuses new ones until {@link open}. */
  cut(): void {
    this.refusing = true;
    for (const { near, far } of this.pairs) {
      near.destroy();
      far.destroy();
    }
  }

  open(): void {
    this.refusing = false;
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private accept(near: Socket): void {
    this.attempts += 1;
    if (this.refusing) {
      near.destroy();
      return;
    }
    const far = connect(Number(this.target.port), this.target.hostname);
    const pair = { near, far };
    this.pairs.add(pair);
    const end = () => {
      this.pairs.delete(pair);
      near.destroy();
      far.destroy();
    };
    for (const socket of [near, far]) socket.setNoDelay(true).on('error', end).on('close', end);
    far.on('data', (chunk) => after(this.answerDelayMs, () => near.write(chunk)));
    near.on('data', (chunk) => after(this.delayMs, () => far.write(chunk)));
  }
}

function after(ms: number, act: () => void): void {
  if (ms === 0) act();
  else setTimeout(act, ms);
}
