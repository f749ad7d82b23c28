import { setImmediate } from 'node:timers/promises';
import { ConsecutiveBreaker } from 'cockatiel';
import { Cluster, type Redis } from 'ioredis';
import type { Logger } from '../observability/logging/logger.js';
import type { RedisClient } from './redis.js';

/** Consecutive timeouts that open the circuit. */
const TIMEOUTS = 3;

/** Circuits by client, because callers have only the client. */
const circuits = new WeakMap<RedisClient, RedisCircuit>();

/**
 * Circuit breaker for servers that accept connections but do not respond. After consecutive timeouts
 * the connection is replaced, also because the host may be lost without a TCP reset. Until the new
 * connection has passed the ready check of ioredis, commands fail immediately instead of waiting for
 * the command timeout. The ready check is the probe that closes the circuit. In a Redis Cluster, ioredis queues
 * commands until the node is connected again: those for its slots still wait for the command timeout.
 */
class RedisCircuit {
  /** Servers that do not respond. */
  readonly #open = new Set<string>();

  constructor(private readonly log: Logger) {}

  get isOpen(): boolean {
    return this.#open.size > 0;
  }

  /** Opens the circuit of a server when commands of this connection time out. */
  observe(connection: Redis, server: string): void {
    const breaker = new ConsecutiveBreaker(TIMEOUTS);
    const send = connection.sendCommand.bind(connection);
    connection.sendCommand = (command, stream) => {
      // Commands of the handshake are not counted: if one fails, ioredis reconnects.
      if (connection.status === 'ready') {
        command.promise.then(
          () => breaker.success(),
          (error: unknown) => {
            if (!isTimeout(error)) breaker.success();
            else if (breaker.failure()) void this.#check(connection, server, breaker);
          },
        );
      }
      return send(command, stream);
    };
    connection.on('ready', () => {
      breaker.success();
      this.#close(server);
    });
  }

  /** Forgets servers that are no longer used. */
  retain(servers: ReadonlySet<string>): void {
    for (const server of this.#open) if (!servers.has(server)) this.#close(server);
  }

  /**
   * While the event loop is blocked, responses arrive that are read only after the timers have run: commands
   * time out although the server responds.
   */
  async #check(connection: Redis, server: string, breaker: ConsecutiveBreaker): Promise<void> {
    const { bytesRead } = connection.stream;
    await setImmediate();
    if (connection.stream.bytesRead > bytesRead) breaker.success();
    else this.#replace(connection, server);
  }

  #replace(connection: Redis, server: string): void {
    if (this.#open.has(server)) return;
    this.#open.add(server);
    this.log.warn({ server }, 'Redis does not respond, circuit breaker opened');
    connection.disconnect(true);
  }

  #close(server: string): void {
    if (this.#open.delete(server)) this.log.info({ server }, 'Redis circuit breaker closed');
  }
}

/** Adds a circuit breaker to a client; in a Redis Cluster, one per node. */
export function addCircuit(client: RedisClient, log: Logger): void {
  const circuit = new RedisCircuit(log);
  circuits.set(client, circuit);
  if (!(client instanceof Cluster)) {
    circuit.observe(client, 'primary');
    return;
  }
  client.on('+node', (node: Redis) => circuit.observe(node, addressOf(node)));
  client.on('refresh', () => circuit.retain(new Set(client.nodes().map(addressOf))));
}

/** Whether the circuit breaker is open; in a Redis Cluster, of any node. */
export function isCircuitOpen(client: RedisClient | undefined): boolean {
  return client !== undefined && circuits.get(client)?.isOpen === true;
}

function addressOf({ options }: Redis): string {
  return `${options.host}:${options.port}`;
}

/** ioredis has no error class for it. */
function isTimeout(error: unknown): boolean {
  return error instanceof Error && error.message === 'Command timed out';
}
