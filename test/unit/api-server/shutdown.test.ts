import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { fastify } from 'fastify';
import { pino } from 'pino';
import { loadSettings } from '../../../api-server/config/load.js';
import { createHttpServer } from '../../../api-server/http/server.js';
import { shutDown, trackSockets } from '../../../api-server/lifecycle/shutdown.js';

describe('api-server shutdown', () => {
  const log = pino({ level: 'silent' });

  it('turns readiness off, closes subscriptions, completes requests, and then closes other components in order', async () => {
    const events: string[] = [];
    const app = fastify();
    const running = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<void>();
    app.get('/slow', async () => {
      running.resolve();
      await answer.promise;
      events.push('answered');
      return 'done';
    });
    trackSockets(app);
    await app.listen({ host: '127.0.0.1', port: 0 });
    const { port } = app.server.address() as AddressInfo;
    const slow = fetch(`http://127.0.0.1:${port}/slow`);
    await running.promise;
    await shutDown({
      settings: { delay: 1, timeout: 5_000 },
      readinessOff: () => events.push('readiness off'),
      app,
      endless: [
        {
          name: 'subscriptions',
          close: () => {
            events.push('subscriptions closed');
            answer.resolve();
          },
        },
      ],
      closeables: [
        { name: 'one', close: async () => void events.push('one') },
        { name: 'fails', close: () => Promise.reject(new Error('no')) },
        { name: 'two', close: () => void events.push('two') },
      ],
      log,
    });
    assert.equal(await (await slow).text(), 'done');
    assert.deepEqual(events, ['readiness off', 'subscriptions closed', 'answered', 'one', 'two']);
  });

  it('is bounded as a whole, however many components do not close, and closes the others', async () => {
    const app = fastify();
    trackSockets(app);
    await app.listen({ host: '127.0.0.1', port: 0 });
    const closed: string[] = [];
    const hangs = (name: string) => ({
      name,
      close: () => {
        closed.push(name);
        return new Promise(() => undefined);
      },
    });
    const startedAt = performance.now();
    await shutDown({
      settings: { delay: 0, timeout: 5_000 },
      readinessOff: () => undefined,
      app,
      closeables: [...['a', 'b', 'c', 'd'].map(hangs), { name: 'e', close: () => void closed.push('e') }],
      closeTimeouts: { each: 500, all: 600 },
      log,
    });
    const tookMs = performance.now() - startedAt;
    assert.deepEqual(closed, ['a', 'b', 'c', 'd', 'e']);
    assert.ok(tookMs < 1_900, `${tookMs} ms: each of four has waited 500 ms`);
  });

  it('serves a request that arrives when the server starts to close', async () => {
    const settings = await loadSettings({ PCF_API__DATABASE__URL: 'postgresql://localhost/none' });
    const app = createHttpServer(settings, log);
    app.get('/', async () => 'served');
    let answer: Response | undefined;
    app.addHook('preClose', async () => {
      const { port } = app.server.address() as AddressInfo;
      answer = await fetch(`http://127.0.0.1:${port}/`);
    });
    await app.listen({ host: '127.0.0.1', port: 0 });
    await app.close();
    assert.equal(answer?.status, 200);
    assert.equal(answer.headers.get('connection'), 'close');
    assert.equal(await answer.text(), 'served');
  });
});
