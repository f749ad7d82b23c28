import assert from 'node:assert/strict';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { HopelessJobError } from '../../../api-server/jobs/job.js';
import { WebhookSender } from '../../../api-server/modules/webhooks/sender.js';
import { isSignedBy, type SignedHeaders } from '../../../api-server/modules/webhooks/signature.js';
import { freePort } from '../../support/servers/postgres.js';

describe('api-server webhook sender', () => {
  const NEVER = new AbortController().signal;
  let receiver: Server;
  let answer: { status: number; headers?: Record<string, string> } | 'never';
  let received: { headers: IncomingHttpHeaders; body: string }[];
  const sender = new WebhookSender({ timeoutMs: 300, allowPrivate: true });
  const strict = new WebhookSender({ timeoutMs: 300, allowPrivate: false });

  const message = (more: object = {}) => ({
    id: 'msg_1',
    url: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`,
    secrets: ['new secret', 'old secret'],
    body: '{"type":"deployment.finished"}',
    ...more,
  });

  before((done) => {
    receiver = createServer((request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (chunk: string) => {
        body += chunk;
      });
      request.once('end', () => {
        received.push({ headers: request.headers, body });
        if (answer !== 'never') response.writeHead(answer.status, answer.headers).end('x'.repeat(10_000));
      });
    }).listen(0, '127.0.0.1', done);
  });
  beforeEach(() => {
    answer = { status: 200 };
    received = [];
  });
  after(async () => {
    receiver.closeAllConnections();
    receiver.close();
    await Promise.all([sender.close(), strict.close()]);
  });

  it('signs messages with each secret, so that a receiver can verify their origin and content', async () => {
    await sender.send(message(), NEVER);
    const [{ headers, body } = { headers: {}, body: '' }] = received;
    const signed = headers as unknown as SignedHeaders;
    assert.equal(signed['webhook-id'], 'msg_1');
    assert.ok(Math.abs(Number(signed['webhook-timestamp']) - Date.now() / 1_000) < 5);
    for (const secret of ['new secret', 'old secret']) assert.ok(isSignedBy(secret, signed, body));
    assert.ok(!isSignedBy('another', signed, body));
    assert.ok(!isSignedBy('new secret', signed, `${body} `));
    assert.ok(!isSignedBy('new secret', { ...signed, 'webhook-timestamp': '1' }, body));
  });

  it('fails on any status except 2xx, permanently on 410, and does not follow redirects', async () => {
    for (const status of [301, 400, 404, 429, 500, 503]) {
      answer = { status, headers: { location: '/elsewhere' } };
      await assert.rejects(sender.send(message(), NEVER), { name: 'WebhookRefusedError', status });
    }
    assert.equal(received.length, 6);
    answer = { status: 410 };
    await assert.rejects(sender.send(message(), NEVER), HopelessJobError);
  });

  it('fails after the timeout if the receiver does not respond, and if it refuses the connection', async () => {
    answer = 'never';
    const startedAt = performance.now();
    await assert.rejects(sender.send(message(), NEVER), /UND_ERR_HEADERS_TIMEOUT|timeout/i);
    assert.ok(performance.now() - startedAt < 2_000);
    const url = `http://127.0.0.1:${await freePort()}/`;
    await assert.rejects(sender.send(message({ url }), NEVER), /ECONNREFUSED/);
  });

  it('sends only to public https addresses, given by name or by IP address', async () => {
    const refused = {
      'http://example.com/': /require an https URL/,
      'https://127.0.0.1/': /private network/,
      'https://[::1]/': /private network/,
      'https://169.254.169.254/latest/meta-data': /private network/,
      'https://2130706433/': /private network/,
      'https://localhost:8443/': /private network/,
    };
    for (const [url, reason] of Object.entries(refused)) {
      const isHopelessError = (error: Error) =>
        error instanceof HopelessJobError && reason.test(error.message);
      await assert.rejects(strict.send(message({ url }), NEVER), isHopelessError, url);
    }
    assert.equal(received.length, 0);
  });
});
