/** Signatures as specified by Standard Webhooks (standardwebhooks.com), for which libraries exist. */
import { createHmac, timingSafeEqual } from 'node:crypto';

export interface SignedHeaders {
  'webhook-id': string;
  'webhook-timestamp': string;
  'webhook-signature': string;
}

/** Signature headers of a body, with one signature per secret. */
export function signedHeaders(id: string, at: Date, body: string, secrets: readonly string[]): SignedHeaders {
  const timestamp = String(Math.floor(at.getTime() / 1_000));
  const signatures = secrets.map((secret) => `v1,${sign(`${id}.${timestamp}.${body}`, secret)}`);
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures.join(' ') };
}

/** Verifies a signature, as receivers do. Used by tests. */
export function isSignedBy(secret: string, headers: SignedHeaders, body: string): boolean {
  const expected = sign(`${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`, secret);
  return headers['webhook-signature'].split(' ').some((text) => {
    const [version, given = ''] = text.split(',');
    const [a, b] = [Buffer.from(given), Buffer.from(expected)];
    return version === 'v1' && a.length === b.length && timingSafeEqual(a, b);
  });
}

function sign(text: string, secret: string): string {
  const key = secret.startsWith('whsec_') ? Buffer.from(secret.slice(6), 'base64') : secret;
  return createHmac('sha256', key).update(text).digest('base64');
}
