/** redis-server, if it is installed. */
import { execFileSync } from 'node:child_process';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { Ledger } from './process/ledger.js';
import { ManagedProcess, untilReady } from './process/managed-process.js';
import { freePorts } from './process/ports.js';

export interface RedisServer {
  url: string;
  port: number;
  stop(): Promise<void>;
  kill(): Promise<void>;
  restart(): Promise<void>;
}

/** Starts a redis-server without persistence; undefined if it is not on the PATH. */
export async function startRedis({
  stateDir,
  ledger,
}: {
  stateDir: string;
  ledger: Ledger;
}): Promise<RedisServer | undefined> {
  if (!hasRedis()) return undefined;
  const port = (await freePorts(1))[0]!;
  const args = [
    '--port',
    String(port),
    '--bind',
    '127.0.0.1',
    '--save',
    '',
    '--appendonly',
    'no',
    '--dir',
    stateDir,
  ];
  const logFile = join(stateDir, 'logs', 'redis.log');
  const server = new ManagedProcess({ name: 'redis-server', command: 'redis-server', args, logFile }, ledger);
  const start = async () => {
    server.start();
    await untilReady('redis-server', server, () => accepts(port));
  };
  await start();
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    stop: async () => void (await server.stop()),
    kill: () => server.kill(),
    restart: start,
  };
}

export function hasRedis(): boolean {
  try {
    execFileSync('redis-server', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
