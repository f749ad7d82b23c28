/**
 * Keys of approval links, in a Secret in the namespace of the operator: one per line, the first one signs, all of them
 * verify. A Secret that does not exist is created, and its key is replaced every 30 days. A Secret of the user's own is
 * only read.
 */
import { randomBytes } from 'node:crypto';
import { keyIdOf, MIN_SECRET_BYTES, secretLines } from '../../contract/signing-keys.js';
import { FIELD_MANAGER, GROUP } from '../api/v1alpha1/pcfapi.js';
import { LinkKeysError } from '../notify/approval-links.js';
import { SecretKind } from '../resources/kinds.js';
import { isConflict, isForbidden, type KubeClient, type KubeObject } from '../runtime/kube-client.js';
import { apiVersionOf } from '../runtime/kube-types.js';
import type { LinkKey } from './token.js';

const DATA_KEY = 'keys';
const KEY_BYTES = 48;
/** RFC 3339 time at which the first key was generated. A Secret without it was not created by the operator. */
const ROTATED_AT = `${GROUP}/rotated-at`;
/** Longer than a link is valid, so the previous key is needed at most. */
const ROTATION_MS = 30 * 24 * 3_600_000;
/** How long a removed key still verifies links. */
const CACHE_MS = 30_000;
/** Minimum interval between reads for unknown key IDs, and after a failed read. */
const MIN_READ_INTERVAL_MS = 1_000;

type Secret = KubeObject & { data?: Record<string, string> };

export interface LinkKeysOptions {
  /** Several processes can use the same Secret: each write names the version that was read. */
  client: Pick<KubeClient, 'list' | 'create' | 'patch'>;
  namespace: string;
  /** Name of the Secret. */
  name: string;
  /** Milliseconds since the epoch. */
  now: () => number;
}

export class LinkKeys {
  private cached: { keys: LinkKey[]; at: number } | undefined;
  private failed: { error: unknown; at: number } | undefined;
  /** The read in progress, for concurrent requests. */
  private reading: Promise<void> | undefined;

  constructor(private readonly options: LinkKeysOptions) {}

  /** The key that signs. Creates or rotates the key of the operator. */
  async signer(signal?: AbortSignal): Promise<LinkKey> {
    const live = await this.read(signal);
    const next = nextKeys(live && generated(live), this.options.now());
    const secret = next ? await this.write(live, next) : live!;
    return this.keysOf(secret)[0]!;
  }

  /** The key with an ID, if it verifies. */
  async verifier(id: string): Promise<LinkKey | undefined> {
    const find = () => this.cached?.keys.find((key) => key.id === id);
    if (this.isWithin(find() ? CACHE_MS : MIN_READ_INTERVAL_MS, this.cached)) return find();
    if (this.isWithin(MIN_READ_INTERVAL_MS, this.failed)) throw this.failed!.error;
    this.reading ??= this.refresh().finally(() => {
      this.reading = undefined;
    });
    await this.reading;
    return find();
  }

  private isWithin(ms: number, read: { at: number } | undefined): boolean {
    const ageMs = read ? this.options.now() - read.at : Number.POSITIVE_INFINITY;
    return ageMs >= 0 && ageMs < ms;
  }

  private async refresh(): Promise<void> {
    const { now } = this.options;
    try {
      const live = await this.read();
      this.cached = { keys: live ? this.keysOf(live) : [], at: now() };
    } catch (error) {
      this.failed = { error, at: now() };
      throw error;
    }
  }

  private async read(signal?: AbortSignal): Promise<Secret | undefined> {
    const { client, namespace, name } = this.options;
    const query = { namespace, fieldSelector: `metadata.name=${name}` };
    const { items } = await client.list(SecretKind, query, signal).catch((error: unknown) => {
      throw isForbidden(error) ? new LinkKeysError(`the operator may not read ${this.secret}`) : error;
    });
    return items[0];
  }

  /** Another process may write at the same time: its keys are used then. */
  private async write(live: Secret | undefined, { lines, at }: NextKeys): Promise<Secret> {
    const { client, namespace, name } = this.options;
    const data = { [DATA_KEY]: Buffer.from(lines.map((line) => `${line}\n`).join('')).toString('base64') };
    const annotations = { [ROTATED_AT]: at };
    const fieldManager = FIELD_MANAGER;
    try {
      if (!live) {
        const labels = { 'app.kubernetes.io/managed-by': FIELD_MANAGER };
        const metadata = { name, namespace, labels, annotations };
        const secret = {
          apiVersion: apiVersionOf(SecretKind),
          kind: SecretKind.kind,
          type: 'Opaque',
          metadata,
          data,
        };
        return await client.create(SecretKind, secret, { fieldManager });
      }
      const { resourceVersion } = live.metadata;
      const patch = { metadata: { resourceVersion, annotations }, data };
      return await client.patch(SecretKind, namespace, name, patch, { fieldManager });
    } catch (error) {
      if (isForbidden(error)) throw new LinkKeysError(`the operator may not write ${this.secret}`);
      const written = isConflict(error) ? await this.read() : undefined;
      if (!written) throw error;
      return written;
    }
  }

  /** Throws a {@link LinkKeysError} without a usable key. The message contains no key. */
  private keysOf({ data = {} }: Secret): LinkKey[] {
    const lines = secretLines(Buffer.from(data[DATA_KEY] ?? '', 'base64').toString('utf8'));
    if (lines.length === 0)
      throw new LinkKeysError(`${this.secret} has no key "${DATA_KEY}" with a key per line`);
    if (lines.some((line) => Buffer.byteLength(line) < MIN_SECRET_BYTES))
      throw new LinkKeysError(
        `each line of key "${DATA_KEY}" of ${this.secret} needs at least ${MIN_SECRET_BYTES} bytes`,
      );
    return lines.map((value) => ({ id: keyIdOf(value), value }));
  }

  private get secret(): string {
    const { namespace, name } = this.options;
    return `Secret ${namespace}/${name}`;
  }
}

/** `rotatedAt` is NaN if the time in the annotation is invalid. */
interface GeneratedKeys {
  lines: string[];
  rotatedAt: number;
}

/** Undefined for a Secret of the user's own. */
function generated({ metadata, data = {} }: Secret): GeneratedKeys | 'own' {
  const at = metadata.annotations?.[ROTATED_AT];
  if (at === undefined) return 'own';
  const lines = secretLines(Buffer.from(data[DATA_KEY] ?? '', 'base64').toString('utf8'));
  return { lines, rotatedAt: Date.parse(at) };
}

interface NextKeys {
  lines: string[];
  at: string;
}

/** The keys to write; undefined if none are due. `current`: undefined if the Secret does not exist. */
function nextKeys(current: GeneratedKeys | 'own' | undefined, now: number): NextKeys | undefined {
  if (current === 'own') return undefined;
  const { lines = [], rotatedAt = Number.NaN } = current ?? {};
  const ageMs = now - rotatedAt;
  // A time in the future is no reason to rotate: a clock that jumps would void the links that were sent.
  if (lines.length > 0 && ageMs < ROTATION_MS) return undefined;
  const key = randomBytes(KEY_BYTES).toString('base64');
  return { lines: [key, ...lines.slice(0, 1)], at: new Date(now).toISOString() };
}
