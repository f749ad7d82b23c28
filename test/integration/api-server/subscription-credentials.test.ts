import assert from 'node:assert/strict';
import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { eventually } from '../../support/cluster/pcf-api.js';
import { bearer } from '../../support/fixtures/tokens.js';
import { CREATE_SERVICE, IdentitiesUnderTest } from './identities-under-test.js';

describe('api-server credentials of subscriptions', () => {
  let under: IdentitiesUnderTest;

  before(async () => {
    under = await IdentitiesUnderTest.start();
  });
  beforeEach(() => under.clear());
  after(() => under?.api.kill());

  const SUBSCRIPTION = 'subscription { deploymentChanged { cursor } }';
  const connect = (connectionParams: Record<string, unknown>, headers: Record<string, string> = {}) => {
    class Socket extends WebSocket {
      constructor(address: string, protocols: string[]) {
        super(address, protocols, { headers });
      }
    }
    const client = createClient({
      url: `ws://127.0.0.1:${under.api.port}/graphql`,
      webSocketImpl: Socket,
      connectionParams,
      retryAttempts: 0,
      lazy: true,
    });
    const connected = new Promise<void>((resolve, reject) => {
      client.on('connected', () => resolve());
      client.on('closed', (event) => reject(new Error(`closed: ${(event as { code: number }).code}`)));
    });
    connected.catch(() => undefined); // not every test awaits it
    const iterator = client.iterate({ query: SUBSCRIPTION });
    const ended = iterator.next().catch((error: unknown) => error as { code?: number });
    return { client, connected, ended };
  };

  it('close connections without valid credentials at connection_init', async () => {
    for (const params of [{}, { authorization: 'Bearer wrong' }, { 'x-api-key': 'pcf_wrong' }]) {
      const { ended } = connect(params);
      assert.equal(((await ended) as { code: number }).code, 4_403);
    }
  });

  it('accept a token in connectionParams or in the headers', async () => {
    const token = await bearer({ role: 'VIEWER' });
    for (const [params, headers] of [
      [token, {}],
      [{ Authorization: token.authorization }, {}],
      [{}, token],
    ] as const) {
      const { client, connected } = connect(params, headers);
      await connected;
      await client.dispose();
    }
  });

  it('reject a subscription with a key that lacks the scope READ', async () => {
    const { key } = await under.newKey({ scopes: ['DEPLOYMENTS'] });
    const { client, ended } = connect({ 'x-api-key': key });
    const result = (await ended) as unknown as {
      value?: { errors: { extensions: { code: string } }[] };
    } & {
      extensions?: { code: string };
    }[];
    const errors = result.value?.errors ?? result;
    assert.equal(errors[0]!.extensions!.code, 'FORBIDDEN');
    await client.dispose();
  });

  it('are closed when the token expires', async () => {
    const soon = Math.floor(Date.now() / 1_000) - 27; // 2 to 3 s left of the 30 s clock skew tolerance
    const { connected, ended } = connect(await bearer({ exp: soon }));
    await connected;
    assert.equal(((await ended) as { code: number }).code, 4_403);
  });

  it('send no event to a revoked key after the TTL of the identity cache', async () => {
    const { key, id } = await under.newKey({ scopes: ['READ'] });
    const { client, connected, ended } = connect({ 'x-api-key': key });
    await connected;
    await eventually('the client is subscribed', async () =>
      /^pcf_api_subscribers 1$/m.test(await under.api.metrics()),
    );
    await under.as('ADMIN', 'mutation ($id: ID!) { revokeApiKey(input: { id: $id }) { id } }', { id });
    await new Promise((resolve) => setTimeout(resolve, 300));
    const { data } = await under.as('ADMIN', CREATE_SERVICE, { name: 'web' });
    const record = 'mutation ($input: RecordDeploymentInput!) { recordDeployment(input: $input) { id } }';
    const input = { serviceId: data.createService.id, version: 'v1', environment: 'production' };
    const recorded = await under.as('ADMIN', record, { input: { ...input, idempotencyKey: 'revoked' } });
    assert.deepEqual(recorded.errors, []);
    assert.equal(((await ended) as { code: number }).code, 4_403);
    await client.dispose();
  });
});
