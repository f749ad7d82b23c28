/**
 * Requests to URLs of users: limited in time and size, without redirects, with a separate connection, and
 * error messages without secrets.
 */
import { type LookupAddress, lookup } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { Agent } from 'undici';

/** Certificates and keys in PEM format. */
export interface TlsMaterial {
  ca?: string;
  cert?: string;
  key?: string;
  insecureSkipVerify?: boolean;
}

export interface OutgoingRequest {
  url: string;
  /** Name of the target in error messages. It must not contain a secret URL. */
  target: string;
  headers: Record<string, string>;
  body: string;
  timeoutMs: number;
  tls?: TlsMaterial;
  /** Maximum size of the response in bytes. 1 MiB. */
  maxBytes?: number;
}

export interface OutgoingResponse {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
}

/** No response. The message contains the target name, and no part of its URL. */
export class OutgoingError extends Error {
  override readonly name = 'OutgoingError';
}

const MAX_BYTES = 1_048_576;

/** Metadata services of clouds return credentials to any process of a node. */
const forbidden = new BlockList();
forbidden.addSubnet('169.254.0.0', 16, 'ipv4');
forbidden.addSubnet('fe80::', 10, 'ipv6');
forbidden.addAddress('fd00:ec2::254', 'ipv6');

/**
 * Sends a POST and reads the response with any status. Throws an {@link OutgoingError} without a response.
 */
export async function post(request: OutgoingRequest, signal?: AbortSignal): Promise<OutgoingResponse> {
  const { target, headers, body, timeoutMs, tls = {}, maxBytes = MAX_BYTES } = request;
  const url = parse(request);
  const late = AbortSignal.timeout(timeoutMs);
  // One connection per request: rotated credentials take effect immediately, and no idle connection stays
  // open.
  const agent = new Agent({
    connect: {
      ca: tls.ca,
      cert: tls.cert,
      key: tls.key,
      rejectUnauthorized: !tls.insecureSkipVerify,
      timeout: timeoutMs,
      lookup: guardedLookup,
    },
    maxResponseSize: maxBytes,
  });
  try {
    const response = await agent.request({
      origin: url.origin,
      path: `${url.pathname}${url.search}`,
      method: 'POST',
      headers,
      body,
      signal: signal ? AbortSignal.any([signal, late]) : late,
    });
    return { status: response.statusCode, headers: response.headers, text: await response.body.text() };
  } catch (error) {
    signal?.throwIfAborted();
    const why = late.aborted ? `no response within ${timeoutMs / 1000} s` : explain(error, maxBytes);
    throw new OutgoingError(`${target}: ${why}`);
  } finally {
    await agent.destroy();
  }
}

function parse({ url, target }: OutgoingRequest): URL {
  const parsed = URL.parse(url);
  if (!parsed || !['http:', 'https:'].includes(parsed.protocol)) {
    throw new OutgoingError(`${target}: not an http or https URL`);
  }
  // Host names are checked after DNS resolution.
  if (isForbidden(parsed.hostname.replace(/^\[|\]$/g, '')))
    throw new OutgoingError(`${target}: ${FORBIDDEN}`);
  return parsed;
}

const FORBIDDEN = 'link-local addresses are not allowed';

function isForbidden(address: string): boolean {
  const version = isIP(address);
  return version !== 0 && forbidden.check(address, version === 4 ? 'ipv4' : 'ipv6');
}

class ForbiddenAddressError extends Error {
  readonly code = 'PCF_FORBIDDEN';
}

const guardedLookup: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, found: LookupAddress[]) => {
    if (error) return callback(error, '');
    if (found.some(({ address }) => isForbidden(address))) return callback(new ForbiddenAddressError(), '');
    if (options.all) return callback(null, found);
    callback(null, found[0]!.address, found[0]!.family);
  });
};

const untrusted = 'its certificate is not trusted: set tls.caSecretRef';
const reasons: Record<string, string> = {
  PCF_FORBIDDEN: FORBIDDEN,
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection was closed',
  EPIPE: 'the connection was closed',
  UND_ERR_SOCKET: 'the connection was closed',
  ENOTFOUND: 'the host name does not resolve',
  EAI_AGAIN: 'the host name could not be resolved',
  EHOSTUNREACH: 'no route to host',
  ENETUNREACH: 'no route to host',
  ETIMEDOUT: 'connection timeout',
  UND_ERR_CONNECT_TIMEOUT: 'connection timeout',
  DEPTH_ZERO_SELF_SIGNED_CERT: untrusted,
  SELF_SIGNED_CERT_IN_CHAIN: untrusted,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: untrusted,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: untrusted,
  CERT_HAS_EXPIRED: 'its certificate has expired',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name',
  EPROTO: 'TLS handshake failed',
};

/** Uses error codes only: messages of Node.js contain host names, which can be part of a secret URL. */
function explain(error: unknown, maxBytes: number): string {
  const code = String((error as { code?: unknown } | undefined)?.code ?? '');
  if (code === 'UND_ERR_RES_EXCEEDED_MAX_SIZE') return `the response exceeds ${maxBytes} bytes`;
  return reasons[code] ?? `the request failed${code ? ` (${code})` : ''}`;
}
