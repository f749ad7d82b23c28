import assert from 'node:assert/strict';
import { pino } from 'pino';
import { generate } from 'selfsigned';
import { Agent, request } from 'undici';
import { ManagedProcess } from '../../sandbox/process/managed-process.js';
import { PcfApiWatch } from '../../sandbox/story/pcfapi-watch.js';
import { sandboxToken } from '../../sandbox/tokens.js';
import { eventually } from '../support/cluster/pcf-api.js';
import { systemProgram } from '../support/processes/system-program.js';
import { ISTIO_NAMESPACE } from './cluster/istiod.js';
import { HOST_ADDRESS } from './cluster/network.js';
import type { RealCluster } from './cluster/real-cluster.js';
import { ask } from './load.js';
import { sharedGateway, sharedOperator } from './support.js';

const NAMESPACE = 'platform';
const HOST = 'api.example.com';
const REDIS_PORT = 6379;

describe('real production sample with TLS', function () {
  this.timeout(900_000);
  let real: RealCluster;
  let address: string;
  let certificate: string;

  before(async function () {
    if (!systemProgram('redis-server')) return this.skip();
    real = await sharedOperator();
    address = (await sharedGateway()).replace('http://', '');
    startRedis(real);
    await real.createTenant(NAMESPACE, { 'redis-url': `redis://${HOST_ADDRESS}:${REDIS_PORT}` });
    certificate = await serveTls(real);
  });

  it('deploy/samples/production.yaml becomes Ready unmodified', async () => {
    const watch = new PcfApiWatch(real.parts.client, pino({ level: 'silent' }), NAMESPACE, 'pcf-api');
    await watch.start();
    await real.kubectl.run(['apply', '-f', 'deploy/samples/production.yaml']);
    await watch.until('the sample is Ready', (api) => api?.status?.phase === 'Ready', 300_000);
    await watch.stop();
  });

  it('the gateway serves a client with a token over HTTPS', async () => {
    const agent = new Agent({ connect: { ca: certificate, servername: HOST } });
    const headers = { host: HOST, authorization: `Bearer ${await sandboxToken('real', 'ADMIN')}` };
    let answer = '';
    // Retries until istiod has sent the certificate to Envoy.
    await eventually(
      'the gateway serves HTTPS',
      async () => {
        const result = await ask({ url: `https://${address}`, headers }, agent).catch(String);
        answer = JSON.stringify(result);
        return typeof result === 'object';
      },
      60_000,
    );
    await agent.close();
    assert.match(answer, /"status":200,"version":"1.0.0"/);
    assert.doesNotMatch(answer, /errors/);
  });

  it('the auth component serves logins at the same host', async () => {
    const dispatcher = new Agent({ connect: { ca: certificate, servername: HOST } });
    const login = async () => {
      const response = await request(`https://${address}/auth/login`, {
        dispatcher,
        method: 'POST',
        headers: { host: HOST, 'content-type': 'application/json' },
        body: JSON.stringify({ email: 'unknown@example.com', password: 'not the password' }),
      });
      await response.body.dump();
      return response.statusCode;
    };
    // Retries until the pods are ready and istiod has sent the route to Envoy.
    await eventually(
      'a login with a wrong password returns 401',
      async () => (await login()) === 401,
      60_000,
    ).finally(() => dispatcher.close());
  });

  after(() => real?.kubectl.run(['delete', 'namespace', NAMESPACE, '--wait=false']));
});

function startRedis({ stateDir, ledger }: RealCluster): void {
  const args = ['--bind', HOST_ADDRESS, '--port', `${REDIS_PORT}`, '--protected-mode', 'no', '--save', ''];
  const logFile = `${stateDir}/logs/redis.log`;
  new ManagedProcess(
    { name: 'redis', command: 'redis-server', args, cwd: stateDir, logFile },
    ledger,
  ).start();
}

/** Adds a certificate to the Gateway of the sample, as its administrator would. */
async function serveTls({ kubectl }: RealCluster): Promise<string> {
  const { cert, private: key } = await generate([{ name: 'commonName', value: HOST }], {
    keySize: 2048,
    algorithm: 'sha256',
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: HOST }] }],
  });
  const metadata = { name: 'public-tls', namespace: ISTIO_NAMESPACE };
  const stringData = { 'tls.crt': cert, 'tls.key': key };
  await kubectl.apply([
    { apiVersion: 'v1', kind: 'Secret', metadata, type: 'kubernetes.io/tls', stringData },
  ]);
  const server = {
    port: { number: 443, name: 'https', protocol: 'HTTPS' },
    hosts: ['*'],
    tls: { mode: 'SIMPLE', credentialName: metadata.name },
  };
  const patch = JSON.stringify([{ op: 'add', path: '/spec/servers/-', value: server }]);
  await kubectl.run([
    ...['patch', 'gateways.networking.istio.io', 'public', '-n', ISTIO_NAMESPACE, '--type=json', '-p', patch],
  ]);
  return cert;
}
