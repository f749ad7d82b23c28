import { constants, fstatSync, openSync, writeSync } from 'node:fs';

/** POSIX's PIPE_BUF on Linux: a pipe takes such a write completely or not at all, so lines of several processes never mix. */
const CHUNK_BYTES = 4_096;
/** Later lines are lost until the pipe is read. */
const KEPT_BYTES = 1 << 20;
const RETRY_MS = 10;
/** How long the end of the process waits for a slow reader. */
const CLOSE_MS = 1_000;

/**
 * Writes log lines to a file descriptor without ever waiting for its reader: a server must serve and end, even if its
 * logs are not read. While a pipe is full, up to 1 MiB is kept; further lines are lost, and a line reports how many.
 *
 * pino's own destination (sonic-boom 4.2) blocks the event loop while a pipe is full, and its `flushSync` never
 * returns after the reader has closed the pipe (EPIPE).
 */
export class LogOutput {
  /** Each has at most CHUNK_BYTES, unless a single line is longer. */
  private readonly chunks: Buffer[] = [];
  private lines: string[] = [];
  private linesBytes = 0;
  private keptBytes = 0;
  private lost = 0;
  private isFull = false;
  private timer: NodeJS.Timeout | undefined;
  private readonly fd: number;

  /**
   * With a delay, lines are written together, after this time or 4 KiB: one write per line costs a busy server more
   * than formatting it.
   */
  constructor(
    fd: 1 | 2,
    private readonly delayMs = 0,
  ) {
    this.fd = nonBlocking(fd);
    process.once('exit', () => this.close());
  }

  /** Called by pino with one line. */
  write(line: string): void {
    if (this.keptBytes + line.length > KEPT_BYTES) this.lost += 1;
    else this.keep(line);
    if (this.isFull) return;
    if (this.delayMs === 0) this.flush();
    else {
      if (this.chunks.length > 0) this.writeChunks();
      this.timer ??= this.flushIn(this.isFull ? RETRY_MS : this.delayMs);
    }
  }

  /** Writes what the reader takes now; the rest later. */
  flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.writeAll();
    if (this.lost > 0 && this.keptBytes === 0) {
      this.keep(this.takeLost());
      this.writeAll();
    }
    if (this.isFull) this.timer = this.flushIn(RETRY_MS);
  }

  private flushIn(ms: number): NodeJS.Timeout {
    return setTimeout(() => this.flush(), ms).unref();
  }

  private keep(line: string): void {
    const bytes = Buffer.byteLength(line);
    if (this.linesBytes + bytes > CHUNK_BYTES) this.completeChunk();
    this.lines.push(line);
    this.linesBytes += bytes;
    this.keptBytes += bytes;
  }

  private completeChunk(): void {
    if (this.lines.length > 0) this.chunks.push(Buffer.from(this.lines.join('')));
    this.lines = [];
    this.linesBytes = 0;
  }

  private writeAll(): void {
    this.completeChunk();
    this.writeChunks();
  }

  private writeChunks(): void {
    this.isFull = false;
    while (this.chunks.length > 0 && !this.isFull) this.writeChunk(this.chunks[0]!);
  }

  private writeChunk(chunk: Buffer): void {
    let written = chunk.length;
    try {
      written = writeSync(this.fd, chunk);
    } catch (error) {
      // After any other error, for example EPIPE, it will not be read.
      this.isFull = (error as NodeJS.ErrnoException).code === 'EAGAIN';
      if (this.isFull) return;
    }
    this.keptBytes -= written;
    if (written < chunk.length) this.chunks[0] = chunk.subarray(written);
    else this.chunks.shift();
  }

  private takeLost(): string {
    const { lost } = this;
    this.lost = 0;
    const msg = 'log lines were lost, because they were not read in time';
    return `${JSON.stringify({ level: 'warn', time: new Date().toISOString(), lines: lost, msg })}\n`;
  }

  private close(): void {
    const deadline = performance.now() + CLOSE_MS;
    this.flush();
    while (this.isFull && performance.now() < deadline) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
      this.flush();
    }
  }
}

/**
 * A pipe is opened once more: whether the inherited one blocks is a property that all processes share, and another
 * Node.js process changes it when it starts and when it ends.
 */
function nonBlocking(fd: 1 | 2): number {
  try {
    if (fstatSync(fd).isFIFO())
      return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch {
    // Not Linux, or a pipe of another user.
  }
  void (fd === 1 ? process.stdout : process.stderr); // opening the stream makes it non-blocking
  return fd;
}
