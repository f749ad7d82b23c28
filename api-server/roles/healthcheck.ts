import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { EXIT, PATHS } from '../../contract/image.js';
import { loadSettings } from '../config/load.js';

const TIMEOUT_MS = 2_000;

/** Checks the liveness of the API on this host. Returns exit code 0 or 1, as Docker's HEALTHCHECK expects. */
export async function healthcheck(): Promise<number> {
  const { server } = await loadSettings();
  const scheme = server.tls.cert_file ? 'https' : 'http';
  const url = `${scheme}://${localAddress(server.host)}:${server.port}${PATHS.live}`;
  try {
    const status = await statusOf(url);
    if (status === 200) return EXIT.ok;
    process.stderr.write(`${url} returned ${status}\n`);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    process.stderr.write(`${url}: ${code ?? message}\n`);
  }
  return EXIT.failure;
}

function statusOf(url: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    // The certificate is issued for the public host name, not for the loopback address.
    const options = { timeout: TIMEOUT_MS, rejectUnauthorized: false };
    const request = (url.startsWith('https') ? httpsRequest : httpRequest)(url, options, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    request.once('timeout', () => request.destroy(new Error(`no response within ${TIMEOUT_MS} ms`)));
    request.once('error', reject);
    request.end();
  });
}

/** The loopback address for a server that listens on all addresses. */
function localAddress(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}
