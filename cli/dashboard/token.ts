/** Authentication of the page with the token that the command prints. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { Refusal } from '../../operator/runtime/refusal.js';

export function newToken(): string {
  return randomBytes(32).toString('base64url');
}

export function tokenGate(token: string): (request: IncomingMessage) => void {
  const wanted = digest(`Bearer ${token}`);
  return ({ headers }) => {
    if (timingSafeEqual(digest(headers.authorization ?? ''), wanted)) return;
    throw new Refusal(401, 'use the URL that kubectl pcf dashboard printed: it ends with #token=...');
  };
}

/** Fixed length, as required by a constant-time comparison. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
