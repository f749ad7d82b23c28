import assert from 'node:assert/strict';
import { createServer, get, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { LiveStream, type StreamTiming, whole } from '../../../operator/dashboard/live-stream.js';
import { eventually } from '../../support/cluster/pcf-api.js';

const timing: StreamTiming = { paceMs: 1, heartbeatMs: 60_000, stallMs: 50, maxAgeMs: 60_000 };

describe('LiveStream', () => {
  let server: Server | undefined;
  let stream: LiveStream | undefined;
  let picture: Record<string, unknown>;
  let closed: boolean;
  let response: IncomingMessage;
  let text: string;

  async function open(more: Partial<StreamTiming> = {}, lastEventId?: string, read = true): Promise<void> {
    closed = false;
    text = '';
    server = createServer((_request, answer) => {
      answer.on('close', () => {
        closed = true;
      });
      const parts = () =>
        Object.fromEntries(Object.entries(picture).map(([name, value]) => [name, whole(value)]));
      stream = new LiveStream(answer, parts, lastEventId, { ...timing, ...more });
    });
    await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    response = await new Promise((resolve) => get({ port, host: '127.0.0.1' }, resolve));
    response.on('error', () => {});
    if (read) response.setEncoding('utf8').on('data', (part: string) => (text += part));
  }
  afterEach(async () => {
    stream?.close();
    server?.closeAllConnections();
    await new Promise((resolve) => server?.close(resolve));
  });

  const events = () => [...text.matchAll(/^event: (\w+)$/gm)].map(([, name]) => name);
  const lastId = () => [...text.matchAll(/^id: (.*)$/gm)].at(-1)![1]!;

  it('sends changed parts only', async () => {
    picture = { list: [1], detail: { a: 1 } };
    await open();
    await eventually('the initial events', () => events().length === 3);
    picture = { list: [1], detail: { a: 2 } };
    stream!.changed();
    stream!.changed();
    await eventually('the changed event', () => text.includes('{"a":2}'));
    stream!.changed();
    picture = { list: [2], detail: { a: 2 } };
    stream!.changed();
    await eventually('the list event', () => text.includes('[2]'));
    assert.deepEqual(events(), ['beat', 'list', 'detail', 'detail', 'list']);
  });

  it('continues from Last-Event-ID after a reconnect', async () => {
    picture = { list: [1], detail: { a: 1 } };
    await open();
    await eventually('the initial events', () => events().length === 3);
    const id = lastId();
    server!.closeAllConnections();
    server!.close();
    picture = { list: [1], detail: { a: 3 } };
    await open({}, id);
    await eventually('the changed event', () => text.includes('{"a":3}'));
    assert.deepEqual(events(), ['beat', 'detail']);
  });

  it('closes the connection of a client that does not read', async () => {
    picture = { list: 'x'.repeat(20_000_000) };
    await open({}, undefined, false);
    await eventually('the connection is closed', () => closed);
  });

  it('ends after maxAgeMs, so that the client is authorized again', async () => {
    picture = {};
    await open({ maxAgeMs: 20 });
    await eventually('the stream ends', () => response.readableEnded);
  });
});
