/** Tokens for the API of the sandbox, as issued by its login or an identity provider. */
import { SignJWT } from 'jose';

/** A public secret: it only protects a cluster on the machine of the user. */
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
