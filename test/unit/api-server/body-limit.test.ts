import assert from 'node:assert/strict';
import { on } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { loadSettings } from '../../../api-server/config/load.js';
import { createHttpServer } from '../../../api-server/http/server.js';

const TOO_LARGE = Buffer.alloc(4_000_000, 'x');

describe('HTTP server of the API: a body above server.body_limit', () => {
  let app: FastifyInstance;
  let url: string;

  before(async () => {
    const settings = await loadSettings({ PCF_API__DATABASE__URL: 'postgresql://localhost/none' });
    app = createHttpServer(settings, pino({ level: 'silent' }));
    app.post('/', async () => 'served');
    await app.listen({ host: '127.0.0.1', port: 0 });
    url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}/`;
  });
  after(() => app.close());

  const head = (framing: string) =>
    `POST / HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n${framing}\r\n\r\n`;
  const chunk = `${TOO_LARGE.length.toString(16)}\r\n${TOO_LARGE.toString()}\r\n`;

  for (const [framing, parts] of Object.entries({
    [`content-length: ${2 * TOO_LARGE.length}`]: [TOO_LARGE, TOO_LARGE],
    'transfer-encoding: chunked': [chunk, `${chunk}0\r\n\r\n`],
  }))
    it(`${framing}: the client gets 413 while it still sends, and its connection serves the next request`, async () => {
      const socket = connect(Number(new URL(url).port), '127.0.0.1').setEncoding('utf8');
      const responses = on(socket, 'data');
      const next = async () => String((await responses.next()).value);
      socket.write(head(framing));
      socket.write(parts[0]!);
      assert.match(await next(), /^HTTP\/1\.1 413 .*FST_ERR_CTP_BODY_TOO_LARGE/s);
      socket.write(parts[1]!);
      socket.write(`${head('content-length: 2')}{}`);
      assert.match(await next(), /^HTTP\/1\.1 200 .*served/s);
      socket.destroy();
    });

  it('the connection of an endless body is closed', async () => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1').on('error', () => {});
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.write(
      `POST / HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${2 ** 40}\r\n\r\n`,
    );
    const sending = setInterval(() => {
      if (socket.writableLength === 0) socket.write(TOO_LARGE);
    }, 1);
    await closed;
    clearInterval(sending);
    assert.ok(socket.bytesWritten < 2 ** 28, `${socket.bytesWritten} bytes`);
  });
});
