/** A WebSocket client that sends arbitrary messages, and stores received messages in order. */
import { WebSocket } from 'ws';

export interface SocketOptions {
  headers?: Record<string, string>;
  /** Subprotocol. Empty for none. */
  protocol?: string;
}

/** A received message, or the close code. */
interface Received {
  type?: string;
  id?: string;
  // biome-ignore lint/suspicious/noExplicitAny: the shape depends on the query of each test
  payload?: any;
  closed?: number;
}

export class TestSocket {
  readonly #received: Received[] = [];
  #wake: () => void = () => undefined;

  private constructor(private readonly socket: WebSocket) {
    socket.on('message', (data) => this.#add(JSON.parse(String(data)) as Received));
    socket.on('close', (code) => this.#add({ closed: code }));
    socket.on('error', () => undefined);
  }

  static open(port: number, { headers, protocol = 'graphql-transport-ws' }: SocketOptions = {}) {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/graphql`, protocol ? [protocol] : [], { headers });
    const opened = new TestSocket(socket);
    return new Promise<TestSocket>((resolve, reject) => {
      socket.once('open', () => resolve(opened)).once('error', reject);
    });
  }

  /** Opens a connection and awaits connection_ack. */
  static async connect(port: number, options?: SocketOptions): Promise<TestSocket> {
    const socket = await TestSocket.open(port, options);
    socket.send({ type: 'connection_init' });
    const answer = await socket.next();
    if (answer.type !== 'connection_ack') throw new Error(`connection rejected: ${JSON.stringify(answer)}`);
    return socket;
  }

  send(message: object | string | Uint8Array): void {
    const isRaw = typeof message === 'string' || message instanceof Uint8Array;
    this.socket.send(isRaw ? message : JSON.stringify(message));
  }

  subscribe(query: string, variables?: object, id = 'one'): void {
    this.send({ type: 'subscribe', id, payload: { query, variables } });
  }

  async next(): Promise<Received> {
    for (;;) {
      const first = this.#received.shift();
      if (first) return first;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  end(): void {
    this.socket.terminate();
  }

  #add(received: Received): void {
    this.#received.push(received);
    this.#wake();
  }
}
