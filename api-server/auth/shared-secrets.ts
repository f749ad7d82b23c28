/** Secrets that sign and verify HS256 tokens: the current one, and others that only verify. */
import { createSecretKey, type KeyObject } from 'node:crypto';
import { keyIdOf, secretLines } from '../../contract/signing-keys.js';
import type { Secret } from '../config/secret.js';
import { secretProblem } from '../config/signing-secret.js';

export interface SharedKey {
  /** Key ID: identifies the key without revealing it. */
  kid: string;
  key: KeyObject;
}

export class SharedSecrets {
  #keys: SharedKey[];
  #retired: { key: SharedKey; until: number }[] = [];

  /** A replaced secret that is not in the new file continues to verify for `overlapMs`. */
  constructor(
    secret: Pick<Secret, 'value' | 'onChange'>,
    private readonly overlapMs: number,
    private readonly onRefused: (problem: string) => void,
  ) {
    this.#keys = secretLines(secret.value).map(sharedKey);
    secret.onChange(() => this.#replace(secret.value));
  }

  get current(): SharedKey {
    return this.#keys[0]!;
  }

  /** Keys that may have signed a token: the key with its kid, or all keys when it has none. */
  candidates(kid: string | undefined): SharedKey[] {
    const now = Date.now();
    const retired = this.#retired.filter(({ until }) => until > now).map(({ key }) => key);
    const all = [...this.#keys, ...retired];
    return kid === undefined ? all : all.filter((one) => one.kid === kid);
  }

  #replace(text: string): void {
    const problem = secretProblem(text);
    if (problem) {
      this.onRefused(problem);
      return;
    }
    const keys = secretLines(text).map(sharedKey);
    const until = Date.now() + this.overlapMs;
    const gone = this.#keys.filter((old) => !keys.some(({ kid }) => kid === old.kid));
    this.#retired = [...this.#retired, ...gone.map((key) => ({ key, until }))].filter(
      (old) => old.until > Date.now(),
    );
    this.#keys = keys;
  }
}

function sharedKey(secret: string): SharedKey {
  return { kid: keyIdOf(secret), key: createSecretKey(Buffer.from(secret)) };
}
