import assert from 'node:assert/strict';
import { Gauge, Registry } from 'prom-client';
import { HttpServer } from '../../../operator/runtime/http-server.js';

describe('HttpServer', () => {
  const registry = new Registry();
  let problem: string | undefined;
  let server: HttpServer;
  let base: string;

  before(async () => {
    server = new HttpServer({
      host: '127.0.0.1',
      port: 0,
      registry,
      live: { process: () => undefined },
      ready: {
        sync: () => undefined,
        watches: () => {
          if (problem === 'throw') throw new Error('a bug');
          return problem;
        },
      },
    });
    base = `http://127.0.0.1:${await server.listen()}`;
  });
  beforeEach(() => {
    problem = undefined;
  });
  after(() => server.close());

  const get = async (path: string) => {
    const response = await fetch(base + path);
    return { status: response.status, text: await response.text() };
  };

  it('/readyz reports which checks fail', async () => {
    assert.deepEqual(await get('/readyz'), { status: 200, text: '[+]sync ok\n[+]watches ok\n' });
    problem = 'silent: Pod';
    const text = '[+]sync ok\n[-]watches failed: silent: Pod\n';
    assert.deepEqual(await get('/readyz?verbose'), { status: 503, text });
    assert.equal((await get('/healthz')).status, 200);
  });

  it('responds with 503 or 500 when a check or a metric throws, and continues to serve', async () => {
    problem = 'throw';
    assert.equal((await get('/readyz')).status, 503);
    const gauge = new Gauge({
      name: 'broken',
      help: 'x',
      registers: [registry],
      collect: () => {
        throw new Error('a bug');
      },
    });
    assert.equal((await get('/metrics')).status, 500);
    registry.removeSingleMetric('broken');
    gauge.reset();
    assert.equal((await get('/metrics')).status, 200);
  });

  it('responds with 404 and the available paths to an unknown path', async () => {
    const { status, text } = await get('/');
    assert.equal(status, 404);
    assert.match(text, /healthz.*readyz.*metrics/);
  });
});
