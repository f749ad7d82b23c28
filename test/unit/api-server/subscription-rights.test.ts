import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { type FastifyInstance, fastify } from 'fastify';
import { buildSchema, parse } from 'graphql';
import { pino } from 'pino';
import { type Identity, identity } from '../../../api-server/auth/identity.js';
import { AuthenticationUnavailable, NotAuthenticated } from '../../../api-server/auth/refusal.js';
import { Role, Scope } from '../../../api-server/auth/roles.js';
import { addSubscriptions } from '../../../api-server/graphql/subscriptions/subscriptions.js';
import { TestSocket } from '../../support/servers/test-socket.js';

describe('subscription authorization', () => {
  let app: FastifyInstance;
  let socket: TestSocket;

  afterEach(async () => {
    socket?.end();
    await app?.close();
  });

  /** An expired identity, so that the server authenticates again after the minimum interval. */
  const key = (...scopes: Scope[]) =>
    identity({
      kind: 'API_KEY',
      id: 'key:1',
      name: 'ci',
      role: Role.OPERATOR,
      scopes,
      expiresAt: new Date(),
    });

  /** Connects with the first identity. Later authentications return the next ones, and then the last one. */
  async function connectAs(...identities: Identity[]): Promise<() => number> {
    let authentications = 0;
    app = fastify();
    addSubscriptions(app, {
      runner: {} as never, // there are no subscriptions
      authenticate: async () => identities[authentications++] ?? (identities.at(-1) as Identity),
      refused: async () => undefined,
      take: async () => undefined,
      context: () => ({}),
      mask: ({ message }) => ({ message }),
      log: pino({ level: 'silent' }),
    });
    await app.listen({ host: '127.0.0.1', port: 0 });
    socket = await TestSocket.connect((app.server.address() as AddressInfo).port);
    return () => authentications;
  }

  it('closes the connection when the scopes change, because subscriptions were authorized with other scopes', async () => {
    await connectAs(key(Scope.READ, Scope.DEPLOYMENTS), key(Scope.DEPLOYMENTS));
    assert.deepEqual(await socket.next(), { closed: 4_403 });
  });

  it('does not close the connection when only the order of the scopes changes', async () => {
    const countAuthentications = await connectAs(
      key(Scope.READ, Scope.DEPLOYMENTS),
      key(Scope.DEPLOYMENTS, Scope.READ),
    );
    const next = socket.next();
    while (countAuthentications() < 3) await new Promise((resolve) => setTimeout(resolve, 50));
    socket.send({ type: 'ping' });
    assert.deepEqual(await next, { type: 'pong' });
  });

  describe('before each event', () => {
    let publish: (version: string) => void;
    let current: () => Identity;
    const operator = (more: object = {}) =>
      identity({ kind: 'API_KEY', id: 'key:1', name: 'ci', role: Role.OPERATOR, ...more });

    /** Subscribes as an operator whose credentials do not expire, and receives the first event. */
    beforeEach(async () => {
      current = () => operator();
      const events: string[] = [];
      let wake: () => void = () => undefined;
      publish = (version) => {
        events.push(version);
        wake();
      };
      async function* results() {
        for (;;) {
          while (events.length > 0) yield { data: { version: events.shift() } };
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
      const schema = buildSchema('type Query { version: ID } type Subscription { version: ID }');
      const document = parse('subscription { version }');
      app = fastify();
      addSubscriptions(app, {
        runner: { prepare: () => ({ schema, document }), subscribe: async () => results() } as never,
        authenticate: async () => current(),
        refused: async () => undefined,
        take: async () => undefined,
        context: () => ({}),
        mask: ({ message, extensions }) => ({ message, extensions }),
        log: pino({ level: 'silent' }),
      });
      await app.listen({ host: '127.0.0.1', port: 0 });
      socket = await TestSocket.connect((app.server.address() as AddressInfo).port);
      socket.subscribe('subscription { version }');
      publish('v1');
      assert.deepEqual((await socket.next()).payload, { data: { version: 'v1' } });
    });

    const reject = (refusal: 'api key' | 'user') => () => {
      throw new NotAuthenticated(refusal);
    };
    for (const [change, identityOf] of [
      ['a revoked key', reject('api key')],
      ['a disabled user', reject('user')],
      ['a narrowed role', () => operator({ role: Role.VIEWER })],
      ['narrowed scopes', () => operator({ scopes: [Scope.CATALOG] })],
    ] as const) {
      it(`${change}: the connection is closed instead of the event being sent`, async () => {
        current = identityOf;
        publish('secret');
        assert.deepEqual(await socket.next(), { closed: 4_403 });
      });
    }

    it('credentials that cannot be verified: an error is sent instead of the event, and the subscription continues', async () => {
      current = () => {
        throw new AuthenticationUnavailable("the identity provider's keys are unavailable");
      };
      publish('secret');
      const { payload } = await socket.next();
      assert.deepEqual(payload.errors, [
        {
          message: "the identity provider's keys are unavailable; try again",
          extensions: { code: 'SERVICE_UNAVAILABLE' },
        },
      ]);
      assert.equal(payload.data, undefined);
      current = () => operator();
      publish('v2');
      assert.deepEqual((await socket.next()).payload, { data: { version: 'v2' } });
    });
  });
});
