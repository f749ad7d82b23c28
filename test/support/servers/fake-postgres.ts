/** The server of one pg connection, without a socket: it answers each message, and records what was written. */
import { Duplex } from 'node:stream';

const NAMES: Record<string, string> = {
  P: 'Parse',
  B: 'Bind',
  C: 'Close',
  D: 'Describe',
  E: 'Execute',
  S: 'Sync',
};
const TEXT_OID = 25;

export class FakePostgres extends Duplex {
  /** Names of the messages of each write. */
  readonly writes: string[] = [];
  /** Names of the prepared statements. */
  readonly prepared = new Set<string>();
  /** The only row of each result. */
  row = ['a row'];
  /** SQLSTATE with which named statements are rejected. */
  rejectNamed: string | undefined;
  executed = 0;
  #hasStarted = false;
  #hasFailed = false;

  // Parts of net.Socket that pg calls.
  connect(): this {
    process.nextTick(() => this.emit('connect'));
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    if (this.#hasStarted) {
      const messages = messagesIn(chunk);
      this.writes.push(messages.map(({ type }) => NAMES[type] ?? type).join(' '));
      for (const { type, body } of messages) this.#answer(type, body);
    } else {
      this.#hasStarted = true;
      this.#send('R', int32(0)); // AuthenticationOk
      this.#send('Z', Buffer.from('I'));
    }
    done();
  }

  #answer(type: string, body: Buffer): void {
    if (type === 'S') this.#ready();
    else if (this.#hasFailed) return;
    else if (type === 'P') this.#parse(textAt(body, 0));
    else if (type === 'B') this.#bind(textAt(body, textAt(body, 0).length + 1));
    else if (type === 'C') this.#close(textAt(body, 1));
    else if (type === 'D') this.#send('T', int16(1), rowDescription('name'));
    else if (type === 'E') this.#execute();
  }

  #ready(): void {
    this.#hasFailed = false;
    this.#send('Z', Buffer.from('I'));
  }

  #parse(name: string): void {
    const failure = name && (this.rejectNamed ?? (this.prepared.has(name) ? '42P05' : undefined));
    if (!failure) this.prepared.add(name);
    this.#complete('1', failure);
  }

  #bind(name: string): void {
    this.#complete('2', (name && this.rejectNamed) || (this.prepared.has(name) ? undefined : '26000'));
  }

  #close(name: string): void {
    this.prepared.delete(name);
    this.#send('3');
  }

  #execute(): void {
    this.executed += 1;
    const values = this.row.flatMap((value) => [int32(Buffer.byteLength(value)), Buffer.from(value)]);
    this.#send('D', int16(this.row.length), ...values);
    this.#send('C', Buffer.from('SELECT 1\0'));
  }

  /** Sends the message, or an error; then the messages until Sync are ignored. */
  #complete(type: string, failure: string | undefined): void {
    this.#hasFailed = Boolean(failure);
    if (failure) this.#send('E', Buffer.from(`SERROR\0C${failure}\0Mrejected\0\0`));
    else this.#send(type);
  }

  #send(type: string, ...parts: Buffer[]): void {
    const body = Buffer.concat(parts);
    this.push(Buffer.concat([Buffer.from(type), int32(body.length + 4), body]));
  }
}

function messagesIn(chunk: Buffer): { type: string; body: Buffer }[] {
  const messages: { type: string; body: Buffer }[] = [];
  for (let at = 0; at < chunk.length; ) {
    const length = chunk.readInt32BE(at + 1);
    messages.push({
      type: String.fromCharCode(chunk[at] ?? 0),
      body: chunk.subarray(at + 5, at + 1 + length),
    });
    at += 1 + length;
  }
  return messages;
}

/** The zero-terminated text at an offset. */
function textAt(body: Buffer, offset: number): string {
  return body.toString('utf8', offset, body.indexOf(0, offset));
}

/** One text column in text format. */
function rowDescription(name: string): Buffer {
  return Buffer.concat([
    Buffer.from(`${name}\0`),
    ...[int32(0), int16(0), int32(TEXT_OID), int16(-1), int32(-1), int16(0)],
  ]);
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}
