/** Memory that a process in use keeps, measured through its inspector (Chrome DevTools Protocol). */
import { once } from 'node:events';
import WebSocket from 'ws';

interface Reply {
  id: number;
  result?: { usedSize?: number };
  error?: { message: string };
}

export class Heap {
  #requests = 0;

  private constructor(private readonly socket: WebSocket) {}

  /** @param output of a process that was started with `--inspect` */
  static async of(output: string): Promise<Heap> {
    const url = /Debugger listening on (ws:\S+)/.exec(output)?.[1];
    if (!url) throw new Error(`the process does not listen for an inspector:\n${output}`);
    const socket = new WebSocket(url);
    await once(socket, 'open');
    return new Heap(socket);
  }

  /** Size of the live objects. The resident memory also contains objects that V8 has not collected yet. */
  async usedMegabytes(): Promise<number> {
    await this.#call('HeapProfiler.collectGarbage');
    const { usedSize = Number.NaN } = await this.#call('Runtime.getHeapUsage');
    return Math.round(usedSize / 2 ** 20);
  }

  close(): void {
    this.socket.terminate();
  }

  async #call(method: string): Promise<NonNullable<Reply['result']>> {
    this.#requests += 1;
    const id = this.#requests;
    this.socket.send(JSON.stringify({ id, method }));
    for (;;) {
      const [data] = await once(this.socket, 'message');
      const reply = JSON.parse(String(data)) as Reply;
      if (reply.id !== id) continue;
      if (!reply.result) throw new Error(`${method}: ${reply.error?.message}`);
      return reply.result;
    }
  }
}
