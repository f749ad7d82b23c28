/** Password login, token refresh, logout and password change. */
import type { FindOptionsWhere, QueryDeepPartialEntity } from 'typeorm';
import { asciiLowerCase } from '../../../contract/ascii.js';
import { checkPassword, hashPassword } from '../../auth/passwords.js';
import { type SignerParts, signUserToken, USER_SUBJECT } from '../../auth/token-signer.js';
import type { DataSource } from '../../database/pool/data-source.js';
import { type AuditEntry, type AuditRecorder, who } from '../../graphql/audit.js';
import type { Logger } from '../../observability/logging/logger.js';
import { User } from '../users/user.entity.js';
import type { LoginThrottle } from './login-throttle.js';
import { type RefreshTokens, revokeConcurrentRefreshTokens } from './refresh-tokens.js';

export interface LoginParts {
  dataSource: DataSource;
  tokens: RefreshTokens;
  signer: SignerParts;
  throttle: LoginThrottle;
  record: AuditRecorder;
  log: Logger;
}

export interface Tokens {
  accessToken: string;
  tokenType: 'Bearer';
  /** Lifetime of the access token in seconds. */
  expiresIn: number;
  refreshToken: string;
}

export interface Credentials {
  email: string;
  password: string;
}

type Account = Pick<User, 'uuid' | 'name' | 'role' | 'passwordHash' | 'disabledAt'>;

/** The message does not reveal whether the account exists. */
export class LoginRejected extends Error {
  override readonly name = 'LoginRejected';
}

export class LoginThrottled extends Error {
  override readonly name = 'LoginThrottled';

  constructor(readonly seconds: number) {
    super(`too many attempts; try again in ${seconds} s`);
  }
}

type Action = 'login' | 'refresh' | 'logout' | 'changePassword';

export class LoginService {
  constructor(private readonly parts: LoginParts) {}

  async login(credentials: Credentials, address: string): Promise<Tokens> {
    const account = await this.#authenticate(credentials, address, 'login');
    const { tokens } = this.parts;
    await this.#updateUser(account.uuid, { lastLoginAt: () => 'now()' });
    const answer = await this.#tokens(account.uuid, await tokens.issue(account.uuid));
    await this.#audit('login', account, { address });
    return answer;
  }

  /** Throws LoginRejected when the token is unknown, already used, expired or revoked. */
  async refresh(refreshToken: string, address: string): Promise<Tokens> {
    const result = await this.parts.tokens.rotate(refreshToken);
    if (result.outcome === 'refreshed') return this.#tokens(result.userUuid, result.token);
    if (result.outcome === 'reused') {
      const { userUuid: user, ended } = result;
      this.parts.log.warn({ user, ended }, 'refresh token reused, login revoked');
      await this.#audit(
        'refresh',
        await this.#account({ uuid: user }),
        { address, ended },
        'REFRESH_TOKEN_REUSED',
      );
    }
    const seconds = await this.parts.throttle.countUnknownToken(address);
    if (seconds !== undefined) throw new LoginThrottled(seconds);
    throw new LoginRejected('the refresh token is invalid or expired; log in again');
  }

  async logout(refreshToken: string, address: string): Promise<void> {
    const user = await this.parts.tokens.revokeFamily(refreshToken);
    if (user) await this.#audit('logout', await this.#account({ uuid: user }), { address });
  }

  /** Revokes all logins of the user and starts a new one. */
  async changePassword(credentials: Credentials, newPassword: string, address: string): Promise<Tokens> {
    const account = await this.#authenticate(credentials, address, 'changePassword');
    await this.parts.dataSource.runSql(
      { mode: 'write', tables: ['users', 'refresh_tokens'] },
      `WITH changed AS (
         UPDATE users SET password_hash = $2, updated_at = now() WHERE id = $1
       ), ended AS (
         UPDATE refresh_tokens SET revoked_at = now() WHERE user_id = $1 AND revoked_at IS NULL RETURNING 1
       ) SELECT count(*) FROM ended`,
      [account.uuid, await hashPassword(newPassword)],
    );
    await revokeConcurrentRefreshTokens(this.parts.dataSource, account.uuid);
    await this.#audit('changePassword', account, { address });
    return this.#tokens(account.uuid, await this.parts.tokens.issue(account.uuid));
  }

  async #authenticate({ email, password }: Credentials, address: string, action: Action): Promise<Account> {
    const { throttle } = this.parts;
    const name = asciiLowerCase(email);
    const seconds = await throttle.startAttempt(name, address);
    if (seconds !== undefined) throw new LoginThrottled(seconds);
    const account = await this.#account({ email: name });
    const { matches, outdated } = await checkPassword(password, account?.passwordHash ?? null);
    if (!account || !matches || account.disabledAt) {
      await this.#audit(action, account, { email: name, address }, 'UNAUTHENTICATED');
      throw new LoginRejected('invalid e-mail address or password');
    }
    await throttle.recordSuccess(name, address);
    if (outdated) await this.#rehash(account.uuid, password);
    return account;
  }

  #account(where: FindOptionsWhere<User>): Promise<Account | null> {
    const columns = { uuid: true, name: true, role: true, passwordHash: true, disabledAt: true };
    return this.parts.dataSource.withManager({ mode: 'read', tables: ['users'] }, (manager) =>
      manager.findOne(User, { select: columns, where }),
    );
  }

  /** A login is not a change of the user, so `updatedAt` stays. */
  async #updateUser(uuid: string, values: QueryDeepPartialEntity<User>): Promise<void> {
    await this.parts.dataSource.withManager({ mode: 'write', tables: ['users'] }, (manager) =>
      manager.update(User, { uuid }, { ...values, updatedAt: () => 'updated_at' }),
    );
  }

  async #rehash(uuid: string, password: string): Promise<void> {
    await this.#updateUser(uuid, { passwordHash: await hashPassword(password) });
  }

  async #tokens(userUuid: string, refreshToken: string): Promise<Tokens> {
    const { token, expiresInSeconds } = await signUserToken(this.parts.signer, userUuid);
    return { accessToken: token, tokenType: 'Bearer', expiresIn: expiresInSeconds, refreshToken };
  }

  async #audit(action: Action, account: Account | null, input: object, errorCode?: string) {
    const actor = account
      ? { ...who({ id: USER_SUBJECT + account.uuid, name: account.name, role: account.role }) }
      : { ...who({ id: 'open', name: 'unknown', role: 'VIEWER' }), role: null };
    const outcome: AuditEntry['outcome'] = errorCode ? 'DENIED' : 'SUCCEEDED';
    await this.parts.record({
      ...{ ...actor, action, input, subject: null, outcome },
      errorCode: errorCode ?? null,
    });
  }
}
