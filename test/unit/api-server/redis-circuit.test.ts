import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import pino from 'pino';
import { isCircuitOpen } from '../../../api-server/redis/circuit.js';
import { closeRedis, createRedis, type RedisClient, redisState } from '../../../api-server/redis/redis.js';
import { eventually } from '../../support/cluster/pcf-api.js';

const log = pino({ level: 'silent' });

/** Responds to the handshake and to PING, until it is paused. */
class PausableServer {
  isPaused = false;
  connections = 0;

  private constructor(private readonly server: Server) {}

  static async start(): Promise<PausableServer> {
    const server = createServer();
    const pausable = new PausableServer(server);
    server.on('connection', (socket) => {
      pausable.connections += 1;
      socket.on('error', () => undefined);
      let pending = 0;
      socket.on('data', (data) => {
        pending += String(data).match(/^\*\d+\r$/gm)?.length ?? 0;
        if (pausable.isPaused) return;
        socket.write('+OK\r\n'.repeat(pending));
        pending = 0;
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return pausable;
  }

  get url(): string {
    return `redis://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.server.close();
  }
}

describe('Redis circuit breaker', () => {
  let server: PausableServer;
  let client: RedisClient;

  beforeEach(async () => {
    server = await PausableServer.start();
    const redis = { url: server.url, mode: 'standalone' } as never;
    client = createRedis({ redis }, log)!;
    await eventually('the client is ready', () => client.status === 'ready');
  });
  afterEach(() => {
    closeRedis(client);
    server.stop();
  });

  const failedCommands = async (count: number) => {
    for (let index = 0; index < count; index += 1) await assert.rejects(client.ping());
  };

  it('opens after three consecutive timeouts; further commands fail immediately', async () => {
    server.isPaused = true;
    await failedCommands(3);
    await eventually('the circuit is open', () => redisState(client) === 'unresponsive');
    const startedAt = performance.now();
    await failedCommands(20);
    assert.ok(performance.now() - startedAt < 400, 'no command waits for the timeout of 500 ms');
    assert.ok(isCircuitOpen(client));
  });

  it('closes when a new connection passes the ready check', async () => {
    server.isPaused = true;
    await failedCommands(3);
    await eventually('the circuit is open', () => isCircuitOpen(client));
    server.isPaused = false;
    await eventually('Redis is ready', () => redisState(client) === 'ready', 10_000);
    assert.equal(isCircuitOpen(client), false);
    assert.ok(server.connections > 1, 'the connection is replaced');
    assert.equal(await client.ping(), 'OK');
  });

  it('stays closed when a response follows two timeouts', async () => {
    server.isPaused = true;
    await failedCommands(2);
    server.isPaused = false;
    assert.equal(await client.ping(), 'OK');
    server.isPaused = true;
    await failedCommands(2);
    assert.equal(redisState(client), 'ready');
  });

  it('stays closed when the event loop was blocked for longer than the timeout', async () => {
    const commands = [1, 2, 3, 4].map(() => client.ping());
    await new Promise((resolve) => setImmediate(resolve));
    const until = performance.now() + 700;
    while (performance.now() < until);
    const results = await Promise.allSettled(commands);
    assert.ok(
      results.some(({ status }) => status === 'rejected'),
      'the timers ran first',
    );
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(redisState(client), 'ready');
    assert.equal(server.connections, 1);
  });
});
