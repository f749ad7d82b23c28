import { EXIT, PATHS } from '../../contract/image.js';
import { loadSettings } from '../config/load.js';

const TIMEOUT_MS = 2_000;

/** Asks the API on this machine whether it is alive: exit code 0 or 1, as Docker's HEALTHCHECK wants. */
export async function healthcheck(): Promise<number> {
  const { server } = await loadSettings();
  const url = `http://${localAddress(server.host)}:${server.port}${PATHS.live}`;
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (response.ok) return EXIT.ok;
    process.stderr.write(`${url} answered ${response.status}\n`);
  } catch (error) {
    const { cause, message } = error as Error;
    process.stderr.write(`${url}: ${cause instanceof Error ? cause.message : message}\n`);
  }
  return EXIT.failure;
}

/** A server that listens on every address is asked on the loopback one. */
function localAddress(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}
