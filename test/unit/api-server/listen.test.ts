import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fastify } from 'fastify';
import { loadSettings } from '../../../api-server/config/load.js';
import { listenAll, listenForMetrics } from '../../../api-server/lifecycle/listen.js';

describe('listening', () => {
  const other = createServer();
  let port: number;

  before((done) => {
    other.listen(0, '127.0.0.1', () => {
      port = (other.address() as AddressInfo).port;
      done();
    });
  });
  after(() => other.close());

  const settings = (more: NodeJS.ProcessEnv) =>
    loadSettings({
      PCF_CONFIG_DIR: '/nonexistent',
      PCF_API__DATABASE__URL: 'postgresql://localhost/none',
      PCF_API__SERVER__PORT: '0',
      PCF_API__METRICS__PORT: '0',
      ...more,
    });
  const listen = async (more: NodeJS.ProcessEnv) => {
    const app = fastify();
    const metrics = createServer();
    try {
      return await listenAll(await settings(more), app, metrics);
    } finally {
      await app.close();
      metrics.close();
    }
  };

  it('an occupied port: the error names the setting and its variable', async () => {
    for (const [setting, variable] of [
      ['server.port', 'PCF_API__SERVER__PORT'],
      ['metrics.port', 'PCF_API__METRICS__PORT'],
    ] as const) {
      const message = `${setting}: cannot listen on 127.0.0.1:${port}: the port is in use by another process (EADDRINUSE); set ${variable} to another port`;
      await assert.rejects(listen({ [variable]: `${port}` }), { message });
    }
    await assert.rejects(
      listenForMetrics(await settings({ PCF_API__METRICS__PORT: `${port}` }), createServer()),
      /^Error: metrics\.port: /,
    );
  });

  it('an address of another host: the error names server.host', async () => {
    await assert.rejects(
      listen({ PCF_API__SERVER__HOST: '192.0.2.1' }),
      /cannot listen on 192\.0\.2\.1:0 \(server\.host, metrics\.port\): EADDRNOTAVAIL/,
    );
  });

  it('free ports: reports the addresses', async () => {
    const addresses = await listen({});
    assert.equal(addresses.host, '127.0.0.1');
    assert.ok(addresses.port > 0 && (addresses.metricsPort ?? 0) > 0);
  });
});
