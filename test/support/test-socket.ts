/** A WebSocket of a client that may do as it likes: what is sent is what is given, and what comes is kept in order. */
import { WebSocket } from 'ws';

export interface SocketOptions {
  headers?: Record<string, string>;
  /** None, if it is empty. */
  protocol?: string;
}

/** A message, or with which code it was closed. */
interface Arrived {
  type?: string;
  id?: string;
  // biome-ignore lint/suspicious/noExplicitAny: the shape is what each test asks for
  payload?: any;
  closed?: number;
}

export class TestSocket {
  readonly #arrived: Arrived[] = [];
  #wake: () => void = () => undefined;

  private constructor(private readonly socket: WebSocket) {
    socket.on('message', (data) => this.#add(JSON.parse(String(data)) as Arrived));
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

  /** One that has been let in. */
  static async connect(port: number, options?: SocketOptions): Promise<TestSocket> {
    const socket = await TestSocket.open(port, options);
    socket.send({ type: 'connection_init' });
    const answer = await socket.next();
    if (answer.type !== 'connection_ack') throw new Error(`not let in: ${JSON.stringify(answer)}`);
    return socket;
  }

  send(message: object | string | Uint8Array): void {
    const isRaw = typeof message === 'string' || message instanceof Uint8Array;
    this.socket.send(isRaw ? message : JSON.stringify(message));
  }

  subscribe(query: string, variables?: object, id = 'one'): void {
    this.send({ type: 'subscribe', id, payload: { query, variables } });
  }

  async next(): Promise<Arrived> {
    for (;;) {
      const first = this.#arrived.shift();
      if (first) return first;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  end(): void {
    this.socket.terminate();
  }

  #add(arrived: Arrived): void {
    this.#arrived.push(arrived);
    this.#wake();
  }
}
