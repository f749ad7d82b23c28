/** Settings of authentication. */
import { z } from 'zod';
import { duration } from '../setting-types.js';
import { secretProblem } from '../signing-secret.js';

export const auth = z
  .strictObject({
    open: z
      .boolean()
      .describe('Accept requests without credentials, with the role ADMIN. Only for development.'),
    jwt_secret: z
      .string()
      .refine((text) => secretProblem(text) === undefined, {
        error: (issue) => `${secretProblem(String(issue.input))}`,
      })
      .meta({ writeOnly: true })
      .optional()
      .describe(
        'Key that signs and verifies HS256 tokens: at least 32 random bytes. Further lines contain previous or next keys, ' +
          'which only verify tokens. Secret.',
      ),
    jwt_secret_file: z
      .string()
      .optional()
      .describe('File with the value of `jwt_secret`; reloaded when it changes.'),
    rotation_overlap: duration.describe(
      'Time for which a key that was replaced in the file still verifies tokens.',
    ),
    issuer: z.string().min(1).describe('Issuer of the tokens: the claim `iss`.'),
    audience: z.string().min(1).describe('Audience of the tokens: the claim `aud`.'),
    clock_skew: duration.describe('Allowed clock skew for the validation of tokens.'),
    jwks_url: z
      .url({ protocol: /^https?$/ })
      .optional()
      .describe(
        "URL of the identity provider's JWKS, for RS256 and ES256 tokens. Without it, such tokens are rejected.",
      ),
    jwks_issuer: z
      .string()
      .min(1)
      .optional()
      .describe("Issuer of the identity provider's tokens: the claim `iss`."),
    jwks_role_claim: z
      .string()
      .min(1)
      .describe(
        "Claim of the identity provider's tokens that contains the role, or a list of roles. The highest role applies.",
      ),
    identity_cache: duration.describe('TTL of the identity cache. A revoked key can work this long.'),
    access_token_ttl: duration.describe('Lifetime of the access tokens that the `auth` role issues.'),
    refresh_token_ttl: duration.describe(
      'Lifetime of a refresh token. A login ends when it is not refreshed for this time.',
    ),
    login_attempts: z
      .int()
      .min(1)
      .max(1_000)
      .describe('Failed logins per account and address in `login_window`. Further attempts are throttled.'),
    login_window: duration.describe(
      'Window in which failed logins are counted. A throttled account has to wait until its end.',
    ),
  })
  .refine(({ jwks_url, jwks_issuer }) => (jwks_url === undefined) === (jwks_issuer === undefined), {
    error: 'expected both jwks_url and jwks_issuer, or neither',
  })
  .describe('Authentication.');
