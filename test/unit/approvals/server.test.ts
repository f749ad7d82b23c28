import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { Readable } from 'node:stream';
import { setTimeout } from 'node:timers/promises';
import { pino } from 'pino';
import { request } from 'undici';
import { ApprovalServer, type ApprovalServerOptions } from '../../../operator/approvals/server.js';
import { WrongLinkError } from '../../../operator/approvals/token.js';

const ORIGIN = 'https://approvals.example.com';

describe('ApprovalServer', () => {
  let server: ApprovalServer;
  let url: string;
  let calls: [string, string | undefined][];
  let log: string[];

  async function start(options: Partial<ApprovalServerOptions> = {}): Promise<void> {
    calls = [];
    log = [];
    const use = async (token: string, user: string | undefined) => {
      calls.push([token, user]);
      if (token === 'wrong') throw new WrongLinkError('no');
      if (token === 'broken') throw new Error(`no connection for ${token.toUpperCase()}`);
      if (token === 'old') return { state: 'Expired' as const, message: 'expired' };
      return { state: 'Accepted' as const, message: 'done' };
    };
    server = new ApprovalServer({
      service: { useLink: use, describeLink: async () => ({ state: 'Used', message: 'used' }) },
      ...{ publicUrl: `${ORIGIN}/pcf`, host: '127.0.0.1', port: 0 },
      logger: pino({}, { write: (line: string) => log.push(line) }),
      ...options,
    });
    url = `http://127.0.0.1:${await server.listen()}`;
  }
  afterEach(() => server.close());

  /** Sends text as it is: clients normalize paths. Returns the response. */
  async function raw(text: string): Promise<string> {
    const socket = connect(Number(new URL(url).port), '127.0.0.1').setEncoding('utf8');
    socket.write(text);
    return (await socket.toArray()).join('');
  }

  async function post(path: string, token: unknown, headers: Record<string, string> = {}) {
    const { statusCode, body } = await request(`${url}${path}`, {
      method: 'POST',
      headers: { origin: ORIGIN, 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ token }),
    });
    return { status: statusCode, ...((await body.json()) as { state: string; message: string }) };
  }

  it('serves the page to GET, with and without the path of the public URL, and performs nothing', async () => {
    await start();
    for (const path of ['/', '/pcf/', '/pcf', '/link.js', '/pcf/style.css']) {
      const { statusCode, headers, body } = await request(`${url}${path}`);
      assert.equal(statusCode, 200, path);
      assert.equal(headers['referrer-policy'], 'no-referrer');
      assert.equal(headers['cache-control'], 'no-store');
      assert.match(String(headers['content-security-policy']), /frame-ancestors 'none'/);
      await body.dump();
    }
    for (const path of ['/use?token=t', '/look', '/pcf/use']) {
      const { statusCode, body } = await request(`${url}${path}`);
      assert.equal(statusCode, 405, path);
      await body.dump();
    }
    for (const path of ['/pcf/../../etc/passwd', '/../../../etc/passwd', '/%2e%2e/package.json'])
      assert.match(
        await raw(`GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`),
        /^HTTP\/1.1 404 /,
      );
    assert.deepEqual(calls, []);
  });

  it('accepts POST from its own page only', async () => {
    await start();
    assert.deepEqual(await post('/pcf/use', 't'), { status: 200, state: 'Accepted', message: 'done' });
    const foreign = await post('/use', 't', { origin: 'https://evil.example.com' });
    assert.deepEqual([foreign.status, foreign.state], [403, 'Failed']);
    assert.equal((await post('/use', 't', { origin: 'null' })).status, 403);
    assert.equal((await post('/use', 't', { 'content-type': 'text/plain' })).status, 415);
    assert.equal((await post('/use', 5)).status, 400);
    assert.equal((await post('/use', 'x'.repeat(5_000))).status, 413);
    assert.deepEqual(calls, [['t', undefined]]);
  });

  it('responds to a body that is too large, of any size and with any declared length, instead of closing the connection', async () => {
    await start();
    for (let attempt = 0; attempt < 20; attempt++)
      assert.equal((await post('/use', 'x'.repeat(2_000_000))).status, 413);
    const chunks = Array.from({ length: 100 }, () => Buffer.alloc(20_000, 'x'));
    const { statusCode, body } = await request(`${url}/use`, {
      method: 'POST',
      headers: { origin: ORIGIN, 'content-type': 'application/json' },
      body: Readable.from(chunks),
    });
    await body.dump();
    assert.equal(statusCode, 413);
    assert.deepEqual(calls, []);
  });

  it('reports expired, used and wrong links with their status, and hides unexpected errors', async () => {
    await start();
    assert.deepEqual(await post('/use', 'old'), { status: 410, state: 'Expired', message: 'expired' });
    assert.deepEqual(await post('/look', 't'), { status: 410, state: 'Used', message: 'used' });
    assert.equal((await post('/use', 'wrong')).status, 403);
    const failed = await post('/use', 'broken');
    assert.equal(failed.status, 503);
    assert.doesNotMatch(failed.message, /BROKEN/);
    assert.match(log.join(''), /no connection for BROKEN/);
  });

  it('trusts the user header only if it is configured, and then requires it', async () => {
    await start();
    await post('/use', 't', { 'x-forwarded-email': 'mallory@example.com' });
    assert.deepEqual(calls, [['t', undefined]]);
    await server.close();
    await start({ userHeader: 'X-Forwarded-Email' });
    assert.equal((await post('/use', 't')).status, 403);
    assert.equal((await post('/use', 't', { 'x-forwarded-email': 'ann@example.com' })).status, 200);
    assert.deepEqual(calls, [['t', 'ann@example.com']]);
    const body = '{"token":"t"}';
    const named = (lines: string) =>
      raw(
        `POST /use HTTP/1.1\r\nhost: x\r\norigin: ${ORIGIN}\r\ncontent-type: application/json\r\n` +
          `${lines}content-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`,
      );
    const of = (user: string) => `x-forwarded-email: ${user}\r\n`;
    assert.match(await named(of('bob@example.com')), /^HTTP\/1.1 200 /);
    for (const lines of [of('mallory@x.com') + of('ann@example.com'), of('mallory@x.com, ann@example.com')])
      assert.match(await named(lines), /^HTTP\/1.1 403 .*exactly one user/s);
    assert.equal(calls.length, 2);
  });

  it('does not log requests that their client aborts', async () => {
    await start();
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    socket.write(
      `POST /use HTTP/1.1\r\nhost: x\r\norigin: ${ORIGIN}\r\ncontent-type: application/json\r\ncontent-length: 20\r\n\r\n{"tok`,
    );
    await setTimeout(50);
    socket.resetAndDestroy();
    await setTimeout(50);
    assert.deepEqual([calls, log], [[], []]);
  });
});
