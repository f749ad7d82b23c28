import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import { request as httpsRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { generate } from 'selfsigned';
import { WebSocket } from 'ws';
import { EXIT, PATHS } from '../../../contract/image.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { useApiPerTest } from './api-per-test.js';
import { type Env, runRole } from './api-process.js';
import { readResponse, upgradeOptions } from './http-sockets.js';

describe('api-server HTTP over TLS', () => {
  const apis = useApiPerTest();
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'pcf-test-http-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const files = () => ({ cert: join(folder, 'tls.crt'), key: join(folder, 'tls.key') });
  const env = (): Env => ({
    PCF_API__SERVER__TLS__CERT_FILE: files().cert,
    PCF_API__SERVER__TLS__KEY_FILE: files().key,
  });
  const write = async (name: string) => {
    const { cert, private: key } = await generate([{ name: 'commonName', value: name }], { keySize: 2048 });
    writeFileSync(files().cert, cert);
    writeFileSync(files().key, key);
  };
  const peerName = (port: number) =>
    new Promise<string>((resolve, reject) => {
      const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
        resolve(String(socket.getPeerCertificate().subject.CN));
        socket.destroy();
      });
      socket.once('error', reject);
    });

  it('serves HTTP/2 and HTTP/1.1 over TLS and rejects plain HTTP', async () => {
    await write('api.example.com');
    const server = await apis.start(env());
    const session = connectHttp2(`https://127.0.0.1:${server.port}`, { rejectUnauthorized: false });
    const body = await new Promise<string>((resolve, reject) => {
      session.once('error', reject);
      const stream = session.request({
        ':method': 'POST',
        ':path': PATHS.graphql,
        'content-type': 'application/json',
      });
      let text = '';
      stream.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      stream.once('end', () => resolve(text));
      stream.end(JSON.stringify({ query: '{ __typename }' }));
    });
    session.close();
    assert.match(body, /"__typename":"Query"|database is unavailable/);
    const status = await new Promise((resolve, reject) => {
      const options = { rejectUnauthorized: false };
      httpsRequest(`https://127.0.0.1:${server.port}${PATHS.live}`, options, (response) => {
        response.resume();
        resolve(`${response.httpVersion} ${response.statusCode}`);
      })
        .once('error', reject)
        .end();
    });
    assert.equal(status, '1.1 200');
    await assert.rejects(server.fetch(PATHS.live), 'plain HTTP');
    const check = await runRole(['healthcheck'], {
      ...env(),
      ...apis.env,
      PCF_API__SERVER__PORT: `${server.port}`,
    });
    assert.equal(check.code, EXIT.ok, check.stderr);
  });

  it('accepts WebSockets over TLS and ignores upgrades to other protocols', async () => {
    await write('api.example.com');
    const server = await apis.start(env());
    const socket = new WebSocket(`wss://127.0.0.1:${server.port}/graphql`, ['graphql-transport-ws'], {
      rejectUnauthorized: false,
    });
    await once(socket, 'open');
    socket.terminate();
    const request = httpsRequest({ ...upgradeOptions('h2c', server.port), rejectUnauthorized: false });
    assert.match(await readResponse(request), /^(200|503) 1\.1 /);
  });

  it('uses a changed certificate for new connections and keeps old connections open', async () => {
    await write('one.example.com');
    const server = await apis.start(env());
    const session = connectHttp2(`https://127.0.0.1:${server.port}`, { rejectUnauthorized: false });
    await new Promise((resolve) => session.once('connect', resolve));
    assert.equal(await peerName(server.port), 'one.example.com');
    await write('two.example.com');
    await eventually(
      'new connections get the new certificate',
      async () => (await peerName(server.port)) === 'two.example.com',
    );
    const status = await new Promise((resolve, reject) => {
      session
        .request({ ':path': PATHS.live })
        .once('response', (headers) => resolve(headers[':status']))
        .once('error', reject);
    });
    assert.equal(status, 200);
    session.close();
    writeFileSync(files().cert, 'no certificate');
    await eventually('the invalid certificate is rejected', () =>
      /new TLS certificate is invalid/.test(server.output),
    );
    assert.equal(await peerName(server.port), 'two.example.com');
    assert.match(await server.metrics(), /pcf_api_tls_certificate_expiry_timestamp_seconds [1-9]/);
  });

  it('exits with code 78 and the reason if the key does not match the certificate', async () => {
    await write('one.example.com');
    const { private: other } = await generate([{ name: 'commonName', value: 'x' }], { keySize: 2048 });
    writeFileSync(files().key, other);
    const ended = await runRole(['serve'], { ...apis.env, ...env() });
    assert.equal(ended.code, EXIT.config);
    assert.match(ended.terminationMessage, /server\.tls: cannot be used: .*key/);
    const half = await runRole(['serve'], {
      ...apis.env,
      PCF_API__SERVER__TLS__CERT_FILE: files().cert,
    });
    assert.equal(half.code, EXIT.config);
    assert.match(half.terminationMessage, /server\.tls: expected both cert_file and key_file/);
  });

  it('SIGTERM: closes HTTP/2 sessions after their last response', async () => {
    await write('one.example.com');
    const server = await apis.start({ ...env(), PCF_API__SHUTDOWN__TIMEOUT: '20s' });
    const session = connectHttp2(`https://127.0.0.1:${server.port}`, { rejectUnauthorized: false });
    await new Promise((resolve) => session.once('connect', resolve));
    const closed = new Promise((resolve) => session.once('close', resolve));
    const signalledAt = performance.now();
    server.signal('SIGTERM');
    await closed;
    const { code, stdout } = await server.ended;
    assert.equal(code, EXIT.ok);
    assert.ok(performance.now() - signalledAt < 15_000);
    assert.doesNotMatch(stdout, /aborting requests/);
  });
});
