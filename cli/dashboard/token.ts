/** Who may use the page: whoever has the token that the command printed. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { Refusal } from '../../operator/dashboard/server.js';

export function newToken(): string {
  return randomBytes(32).toString('base64url');
}

export function tokenGate(token: string): (request: IncomingMessage) => void {
  const wanted = digest(`Bearer ${token}`);
  return ({ headers }) => {
    if (timingSafeEqual(digest(headers.authorization ?? ''), wanted)) return;
    throw new Refusal(401, 'use the address that kubectl pcf dashboard printed: it ends in #token=...');
  };
}

/** Of one length whatever is sent, as a comparison in constant time wants it. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
