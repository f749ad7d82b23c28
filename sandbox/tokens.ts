/** Tokens for the API of the sandbox, as its login or an identity provider would give them. */
import { SignJWT } from 'jose';

/** Known to everybody who has read this line: it protects nothing but a cluster on one's own machine. */
export const SANDBOX_JWT_SECRET = 'the secret of the sandbox, which is no secret';

const TTL = '12h';

export type SandboxRole = 'VIEWER' | 'OPERATOR' | 'ADMIN';

export function sandboxToken(subject: string, role: SandboxRole): Promise<string> {
  return new SignJWT({ role })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(subject)
    .setIssuer('pcf-api')
    .setAudience('pcf-api')
    .setIssuedAt()
    .setExpirationTime(TTL)
    .sign(Buffer.from(SANDBOX_JWT_SECRET));
}
