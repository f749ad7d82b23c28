import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { fastify } from 'fastify';
import { pino } from 'pino';
import { identity } from '../../../api-server/auth/identity.js';
import { addSubscriptions } from '../../../api-server/graphql/subscriptions/subscriptions.js';
import { addHostCheck, allowsHost } from '../../../api-server/http/host-check.js';
import { TestSocket } from '../../support/servers/test-socket.js';

describe('Host header check', () => {
  const allowed = ['pcf.test'];

  for (const host of [
    ...['localhost', 'localhost:8080', 'LocalHost:8080', 'localhost.', 'app.localhost:1', '127.0.0.1'],
    ...['127.0.0.1:8080', '[::1]', '[::1]:8080', '10.1.2.3:80', 'pcf.test', 'PCF.test:8080', 'pcf.test.:80'],
  ])
    it(`accepts ${host}`, () => assert.equal(allowsHost({ host }, allowed), true));

  for (const host of [
    ...['evil.example', 'evil.example:8080', 'localhost.evil.example', 'evillocalhost', 'x.pcf.test', ''],
    ...['127.0.0.1.evil.example', 'evil.example@localhost', 'localhost, evil.example', 'local\u212aost'],
    ...['[::1].evil.example', '[evil.example]', 'evil.example:80:127.0.0.1', 'http://localhost', '[::1'],
  ])
    it(`rejects ${JSON.stringify(host)}`, () => assert.equal(allowsHost({ host }, allowed), false));

  it('checks the authority of HTTP/2, and neither X-Forwarded-Host nor a missing Host', () => {
    assert.equal(allowsHost({ ':authority': 'evil.example', host: 'localhost' }, []), false);
    assert.equal(allowsHost({ ':authority': 'localhost' }, []), true);
    assert.equal(allowsHost({ host: 'evil.example', 'x-forwarded-host': 'localhost' }, []), false);
    assert.equal(allowsHost({}, []), true);
  });

  it('rejects requests with 421, also behind a trusted proxy, before their handler runs', async () => {
    const app = fastify({ trustProxy: true });
    addHostCheck(app, allowed);
    app.post('/graphql', () => 'created a key');
    app.get('/health', () => 'alive');
    const post = (headers: Record<string, string>) =>
      app.inject({ method: 'POST', url: '/graphql', headers });
    const rejected = await post({ host: 'evil.example:8080', 'x-forwarded-host': 'localhost' });
    assert.equal(rejected.statusCode, 421);
    assert.match(rejected.json().errors[0].message, /server\.allowed_hosts/);
    assert.equal((await post({ host: 'localhost:8080' })).body, 'created a key');
    assert.equal((await app.inject({ url: '/health', headers: { host: 'balancer' } })).body, 'alive');
  });

  it('rejects a webhook of Alertmanager with the name of another host', async () => {
    const app = fastify();
    addHostCheck(app, allowed);
    app.post('/webhooks/alertmanager', () => 'opened an incident');
    const request = {
      method: 'POST',
      url: '/webhooks/alertmanager',
      headers: { host: 'evil.example' },
    } as const;
    assert.equal((await app.inject(request)).statusCode, 421);
  });

  it('rejects a WebSocket whose page has the same rebound name as origin', async () => {
    const app = fastify();
    addSubscriptions(app, {
      runner: {} as never,
      authenticate: async () => identity({ kind: 'OPEN', id: 'open', name: 'anyone', role: 'ADMIN' }),
      refused: async () => undefined,
      take: async () => undefined,
      allowsHost: (headers) => allowsHost(headers, allowed),
      context: () => ({}),
      mask: ({ message }) => ({ message }),
      log: pino({ level: 'silent' }),
    });
    try {
      await app.listen({ host: '127.0.0.1', port: 0 });
      const { port } = app.server.address() as AddressInfo;
      const from = (host: string) =>
        TestSocket.connect(port, { headers: { host, origin: `http://${host}` } });
      await assert.rejects(from(`evil.example:${port}`), /421/);
      (await from(`localhost:${port}`)).end();
    } finally {
      await app.close();
    }
  });
});
