import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type FastifyInstance, fastify } from 'fastify';
import { DatabaseSession, databaseSession } from '../../../api-server/database/pool/session.js';
import { enter } from '../../../api-server/http/request-state.js';
import { requestContext } from '../../../api-server/observability/logging/request-context.js';

const REQUESTS = 12;
const POST =
  'POST / HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\ncontent-length: 7\r\n\r\n{"a":1}';

describe('context of a request', () => {
  let app: FastifyInstance;
  let socket: Socket;
  /** Request IDs before the request was entered, and in its handler. */
  let before: (string | undefined)[];
  let inHandler: (string | undefined)[];

  beforeEach(async () => {
    [before, inHandler] = [[], []];
    let requests = 0;
    app = fastify();
    app.addHook('onRequest', (_request, _reply, done) => {
      before.push(requestContext.getStore()?.requestId);
      enter({ context: { requestId: String(requests++) }, session: new DatabaseSession() }, done);
    });
    app.post('/', async () => {
      await sleep(1);
      inHandler.push(requestContext.getStore()?.requestId);
      return { hasSession: databaseSession.getStore() !== undefined };
    });
    const { port } = new URL(await app.listen({ host: '127.0.0.1', port: 0 }));
    socket = connect(Number(port), '127.0.0.1');
    await once(socket, 'connect');
  });
  afterEach(async () => {
    socket.destroy();
    await app.close();
  });

  it('is in effect in the handler also when the body arrives later, and ends with the request', async () => {
    for (let request = 0; request < REQUESTS; request += 1) {
      socket.write(POST.slice(0, -3));
      await sleep(2);
      socket.write(POST.slice(-3));
      const [response] = await once(socket, 'data');
      assert.match(String(response), /"hasSession":true/);
    }
    expectSeparate();
  });

  it('is separate for pipelined requests of one connection', async () => {
    let received = '';
    socket.on('data', (data) => (received += data));
    socket.write(POST.repeat(REQUESTS));
    while (received.split('"hasSession":true').length <= REQUESTS) await once(socket, 'data');
    expectSeparate();
  });

  function expectSeparate(): void {
    assert.deepEqual(before, Array(REQUESTS).fill(undefined));
    const ids = Array.from({ length: REQUESTS }, (_, index) => String(index));
    assert.deepEqual(
      inHandler.toSorted((a, b) => Number(a) - Number(b)),
      ids,
    );
  }
});
