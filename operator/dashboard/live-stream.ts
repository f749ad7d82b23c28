/**
 * Stream of server-sent events to one client. It sends the newest state and skips intermediate ones.
 * Unchanged parts are not sent again, nor after a reconnect with Last-Event-ID. A client that stops
 * reading is disconnected, so that at most one state is buffered per client.
 */
import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';

/** A part of the state. */
export interface Part {
  /** Changes with the data. Without `.` and `:`. */
  readonly id: string;
  /** Called only if the client does not have this `id`. */
  data(): unknown;
}

/** Parts of the state, by the name of their event. */
export type Picture = Record<string, Part>;

/** A part that is sent as a whole. */
export function whole(value: unknown): Part {
  const id = createHash('sha256')
    .update(JSON.stringify(value) ?? '')
    .digest('base64url')
    .slice(0, 16);
  return { id, data: () => value };
}

export interface StreamTiming {
  /** Minimum time between two updates. */
  paceMs: number;
  heartbeatMs: number;
  /** Time after which a client that does not read is disconnected. */
  stallMs: number;
  /** Maximum age of a stream. The client reconnects and is authenticated again. */
  maxAgeMs: number;
}

export const defaultStreamTiming: StreamTiming = {
  paceMs: 100,
  heartbeatMs: 15_000,
  stallMs: 20_000,
  maxAgeMs: 300_000,
};

export class LiveStream {
  private readonly sent = new Map<string, string>();
  private pending: NodeJS.Timeout | undefined;
  private stalled: NodeJS.Timeout | undefined;
  private readonly heartbeat: NodeJS.Timeout;
  private readonly end: NodeJS.Timeout;

  constructor(
    private readonly response: ServerResponse,
    private readonly picture: () => Picture,
    lastEventId: string | undefined,
    private readonly timing: StreamTiming = defaultStreamTiming,
  ) {
    for (const [name, id] of partsOf(lastEventId)) this.sent.set(name, id);
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.on('drain', () => {
      clearTimeout(this.stalled);
      this.stalled = undefined;
      this.changed();
    });
    this.heartbeat = setInterval(() => this.write('beat', Date.now()), timing.heartbeatMs);
    this.end = setTimeout(() => this.close(), timing.maxAgeMs);
    response.on('close', () => this.close());
    this.write('beat', Date.now());
    this.send();
  }

  /** Schedules an update. Several changes are combined in one update. */
  changed(): void {
    this.pending ??= setTimeout(() => {
      this.pending = undefined;
      this.send();
    }, this.timing.paceMs);
  }

  /** Ends the stream. The client reconnects. */
  close(): void {
    clearTimeout(this.pending);
    clearTimeout(this.stalled);
    clearTimeout(this.end);
    clearInterval(this.heartbeat);
    this.response.end();
  }

  private send(): void {
    if (this.stalled || this.response.writableEnded) return;
    for (const [name, part] of Object.entries(this.picture())) {
      const { id } = part;
      if (this.sent.get(name) === id) continue;
      this.sent.set(name, id);
      this.write(name, part.data());
    }
  }

  private write(event: string, data: unknown): void {
    if (this.response.writableEnded) return;
    const id = [...this.sent].map((part) => part.join(':')).join('.');
    const read = this.response.write(`event: ${event}\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`);
    if (!read) this.stalled ??= setTimeout(() => this.response.destroy(), this.timing.stallMs);
  }
}

/** Ids of the parts in a Last-Event-ID. */
export function partsOf(lastEventId = ''): Map<string, string> {
  const parts = lastEventId.split('.').map((part) => part.split(':'));
  return new Map(parts.flatMap(([name, id]) => (name && id ? [[name, id] as const] : [])));
}
