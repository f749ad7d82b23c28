import assert from 'node:assert/strict';
import fc from 'fast-check';
import { SignJWT, UnsecuredJWT } from 'jose';
import { keyIdOf } from '../../../contract/signing-keys.js';
import {
  LINK_ACTIONS,
  type LinkClaims,
  type LinkKey,
  signLink,
  verifyLink,
  WrongLinkError,
} from '../../../operator/approvals/token.js';
import { propertyRuns } from '../../support/runner/property-runs.js';

const URL = 'https://approvals.example.com';
const newKey = (value: string): LinkKey => ({ id: keyIdOf(value), value });
const key = newKey('k'.repeat(48));
const verify = (token: string, keys: readonly LinkKey[] = [key], url = URL) =>
  verifyLink(token, async (id) => keys.find((one) => one.id === id), url);

const text = fc.string({ minLength: 1, maxLength: 80, unit: 'grapheme' });
const claimsOf: fc.Arbitrary<LinkClaims> = fc.record(
  {
    uid: text,
    approval: text,
    webhook: text,
    action: fc.constantFrom(...LINK_ACTIONS),
    expiresAt: fc.integer({ min: 1, max: 4_000_000_000 }),
  },
  { noNullPrototype: true },
);
const claims: LinkClaims = {
  ...{ uid: 'uid-1', webhook: 'team', action: 'approve', expiresAt: 1_800_000_000 },
  approval: 'api-new@2026-11-23T10:00:00.000Z/Canary/0/2026-11-23T10:05:00.000Z',
};

describe('token of an approval link', () => {
  it('PROPERTY: verifies with its key and URL, also after its expiry, and has the signed claims', async () => {
    await fc.assert(
      fc.asyncProperty(claimsOf, async (given) => {
        assert.deepEqual(await verify(await signLink(given, key, URL)), given);
      }),
      { numRuns: propertyRuns(500) },
    );
  });

  it('PROPERTY: does not verify after a change of any character', async () => {
    const token = await signLink(claims, key, URL);
    const change = fc.record({ at: fc.nat({ max: token.length - 1 }), bit: fc.nat({ max: 5 }) });
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    await fc.assert(
      fc.asyncProperty(change, async ({ at, bit }) => {
        const digit = alphabet.indexOf(token[at]!);
        const other = digit < 0 ? 'A' : alphabet[digit ^ (1 << bit)]!;
        const changed = `${token.slice(0, at)}${other}${token.slice(at + 1)}`;
        // Two bits of the last character encode nothing.
        fc.pre(!isSame(changed, token));
        await assert.rejects(verify(changed), WrongLinkError);
      }),
      { numRuns: propertyRuns(2_000) },
    );
  });

  it('does not verify with another key, another URL, another type or without a signature', async () => {
    const token = await signLink(claims, key, URL);
    const other = newKey('o'.repeat(48));
    await assert.rejects(verify(token, [other]), WrongLinkError);
    await assert.rejects(verify(token, [{ ...other, id: key.id }]), WrongLinkError);
    await assert.rejects(verify(token, [key], 'https://other.example.com'), WrongLinkError);
    const { uid, expiresAt, ...payload } = claims;
    const unsigned = new UnsecuredJWT({ ...payload })
      .setSubject(uid)
      .setAudience(URL)
      .setExpirationTime(expiresAt);
    await assert.rejects(verify(unsigned.encode()), WrongLinkError);
    const session = await new SignJWT({ ...payload })
      .setProtectedHeader({ alg: 'HS256', kid: key.id })
      .setSubject(uid)
      .setAudience(URL)
      .setExpirationTime(expiresAt)
      .sign(Buffer.from(key.value));
    await assert.rejects(verify(session), WrongLinkError);
    for (const nonsense of ['', 'x', '..', 'a.b.c', 'null'])
      await assert.rejects(verify(nonsense), WrongLinkError);
  });
});

function isSame(one: string, other: string): boolean {
  const [a, b] = [one, other].map((token) => {
    const end = token.lastIndexOf('.');
    return `${token.slice(0, end)}.${Buffer.from(token.slice(end + 1), 'base64url').toString('hex')}`;
  });
  return a === b;
}
