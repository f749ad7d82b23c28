/**
 * The token of an approval link: a JWT, signed with HMAC SHA-256. It names one wait of one PcfApi for its manual
 * promotion, one action, and the URL of the operator that issued it. It is valid only as long as the PcfApi waits, see
 * `judgeLink`, so nothing is stored for it.
 */
import { decodeProtectedHeader, errors, jwtVerify, SignJWT } from 'jose';

export const LINK_ACTIONS = ['approve', 'abort'] as const;
export type LinkAction = (typeof LINK_ACTIONS)[number];

/** What a link permits. */
export interface LinkClaims {
  /** uid of the PcfApi. */
  uid: string;
  /** The wait, see `approvalId`. */
  approval: string;
  action: LinkAction;
  /** Name of the webhook that the link is sent to. */
  webhook: string;
  /** In seconds since the epoch. */
  expiresAt: number;
}

export interface LinkKey {
  id: string;
  value: string;
}

/** Distinguishes it from other tokens that are signed with the same algorithm. */
const TYPE = 'pcf-approval+jwt';
const ALGORITHM = 'HS256';

/** The link was not issued by this operator, or was changed. */
export class WrongLinkError extends Error {
  override readonly name = 'WrongLinkError';
}

/** `audience`: public URL of the operator. */
export async function signLink(claims: LinkClaims, key: LinkKey, audience: string): Promise<string> {
  const { uid, approval, action, webhook, expiresAt } = claims;
  return new SignJWT({ approval, action, webhook })
    .setProtectedHeader({ alg: ALGORITHM, typ: TYPE, kid: key.id })
    .setSubject(uid)
    .setAudience(audience)
    .setExpirationTime(expiresAt)
    .sign(Buffer.from(key.value));
}

/**
 * Claims of an authentic token, which may have expired. `keyOf` returns the key with an ID. Throws a
 * {@link WrongLinkError} for any other text. The signature is compared in constant time, by WebCrypto.
 */
export async function verifyLink(
  token: string,
  keyOf: (id: string) => Promise<LinkKey | undefined>,
  audience: string,
): Promise<LinkClaims> {
  const key = await keyOf(keyIdIn(token));
  if (!key) throw new WrongLinkError('the key of the link is unknown');
  const options = { algorithms: [ALGORITHM], typ: TYPE, audience, currentDate: new Date(0) };
  const { payload } = await jwtVerify(token, Buffer.from(key.value), options).catch((error: unknown) => {
    throw error instanceof errors.JOSEError ? new WrongLinkError('the link is not authentic') : error;
  });
  const { sub: uid, exp: expiresAt, approval, action, webhook } = payload as Record<string, unknown>;
  const claims = { uid, expiresAt, approval, action, webhook };
  if (!isClaims(claims)) throw new WrongLinkError('the link is incomplete');
  return claims;
}

function keyIdIn(token: string): string {
  try {
    const { kid } = decodeProtectedHeader(token);
    if (kid) return kid;
  } catch {
    // not a JWT
  }
  throw new WrongLinkError('the text is not a link of this operator');
}

function isClaims(claims: Record<keyof LinkClaims, unknown>): claims is LinkClaims {
  const { uid, expiresAt, approval, action, webhook } = claims;
  const texts = [uid, approval, webhook];
  return (
    texts.every((text) => typeof text === 'string' && text.length > 0) &&
    Number.isSafeInteger(expiresAt) &&
    LINK_ACTIONS.some((one) => one === action)
  );
}
