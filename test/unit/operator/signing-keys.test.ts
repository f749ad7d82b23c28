import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { parse as parseToml } from 'smol-toml';
import { FIELD_MANAGER, KIND, type PcfApi } from '../../../operator/api/v1alpha1/pcfapi.js';
import type { PcfApiSpec } from '../../../operator/api/v1alpha1/spec.js';
import { digestOf } from '../../../operator/reconciler/secret-digests.js';
import { formatKeys, parseKeys, type SigningKey } from '../../../operator/signing-keys/key-set.js';
import { keyStatus, planKeys } from '../../../operator/signing-keys/planned-keys.js';
import {
  ACCESS_TOKEN_TTL,
  type KeySource,
  keySourceOf,
  type RotatedKeys,
} from '../../../operator/signing-keys/source.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';
import { propertyRuns } from '../../support/runner/property-runs.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const START = Date.parse('2026-11-23T12:00:00Z');
const SPEC = { intervalMs: 10 * HOUR, overlapMs: HOUR };
const REF = { name: 'api-jwt', key: 'jwt-secret' };

/** A Secret with signing keys, and the reconciles that write it. */
class ModelSecret {
  ids: string[] = [];
  recorded: SigningKey[] = [];
  generated = 0;
  writes = 0;

  constructor(readonly spec = SPEC) {}

  get source(): RotatedKeys {
    return { ref: REF, spec: this.spec, ids: this.ids, recorded: this.recorded };
  }

  /** One reconcile, with one atomic write at most. Returns the time until the next phase. */
  reconcile(now: number): number {
    const { write, nextInMs } = planKeys(this.source, now);
    if (!write) return nextInMs;
    this.writes += 1;
    const keys = write.map((key) => ({ ...key, id: key.id ?? `key-${++this.generated}` }));
    this.recorded = parseKeys(formatKeys(keys));
    this.ids = keys.map(({ id }) => id);
    return nextInMs;
  }

  get phases(): string[] {
    return keyStatus(this.source).auth?.keys.map(({ id, phase }) => `${id} ${phase}`) ?? [];
  }
}

describe('signing keys: rotation', () => {
  it('generates a key that signs immediately, and then announces, signs, retires and removes each key', () => {
    const secret = new ModelSecret();
    let now = START;
    const history: [number, string[]][] = [];
    for (let step = 0; step < 6; step += 1) {
      const nextInMs = secret.reconcile(now);
      history.push([(now - START) / HOUR, secret.phases]);
      now += nextInMs;
    }
    assert.deepEqual(history, [
      [0, ['key-1 Signing']],
      [9, ['key-1 Signing', 'key-2 Announced']],
      [10, ['key-2 Signing', 'key-1 Retired']],
      [11, ['key-2 Signing']],
      [19, ['key-2 Signing', 'key-3 Announced']],
      [20, ['key-3 Signing', 'key-2 Retired']],
    ]);
  });

  it('writes nothing between two phases', () => {
    const secret = new ModelSecret();
    secret.reconcile(START);
    for (let now = START; now < START + 9 * HOUR; now += 7 * MINUTE) secret.reconcile(now);
    assert.equal(secret.writes, 1);
  });

  it('reports the phase of each key with its start and its planned end', () => {
    const secret = new ModelSecret();
    secret.reconcile(START);
    secret.reconcile(START + 9 * HOUR);
    assert.deepEqual(keyStatus(secret.source).auth?.keys, [
      { id: 'key-1', phase: 'Signing', since: '2026-11-23T12:00:00Z', until: '2026-11-23T22:00:00Z' },
      { id: 'key-2', phase: 'Announced', since: '2026-11-23T21:00:00Z', until: '2026-11-23T22:00:00Z' },
    ]);
    secret.reconcile(START + 10 * HOUR);
    assert.deepEqual(keyStatus(secret.source).auth?.keys, [
      { id: 'key-2', phase: 'Signing', since: '2026-11-23T22:00:00Z', until: '2026-11-24T08:00:00Z' },
      { id: 'key-1', phase: 'Retired', since: '2026-11-23T22:00:00Z', until: '2026-11-23T23:00:00Z' },
    ]);
  });

  it('shortens no phase after an outage of the operator', () => {
    const secret = new ModelSecret();
    secret.reconcile(START);
    const late = START + 100 * HOUR;
    secret.reconcile(late);
    assert.deepEqual(secret.phases, ['key-1 Signing', 'key-2 Announced']);
    secret.reconcile(late + HOUR - 1);
    assert.equal(secret.ids[0], 'key-1');
    secret.reconcile(late + HOUR);
    assert.deepEqual(secret.ids, ['key-2', 'key-1']);
  });

  it('restarts a phase whose recorded start is in the future, because the clock was moved back', () => {
    const secret = new ModelSecret();
    secret.reconcile(START);
    secret.reconcile(START + 9 * HOUR);
    const moved = START - 24 * HOUR;
    secret.reconcile(moved);
    secret.reconcile(moved + HOUR - 1);
    assert.deepEqual(secret.phases, ['key-1 Signing', 'key-2 Announced']);
    secret.reconcile(moved + HOUR);
    assert.deepEqual(secret.phases, ['key-2 Signing', 'key-1 Retired']);
  });

  it('generates one key that signs immediately after the Secret was deleted', () => {
    const secret = new ModelSecret();
    secret.reconcile(START);
    secret.reconcile(START + 9 * HOUR);
    secret.ids = [];
    secret.recorded = [];
    secret.reconcile(START + 9.5 * HOUR);
    secret.reconcile(START + 9.5 * HOUR);
    assert.deepEqual(secret.phases, ['key-3 Signing']);
  });

  for (const [what, annotation] of [
    ['missing', undefined],
    ['not JSON', 'no'],
    ['without times', '[{"id":"key-1"}]'],
  ] as const) {
    it(`keeps the key that signs, and removes others after overlap, if the annotation is ${what}`, () => {
      const secret = new ModelSecret();
      secret.reconcile(START);
      secret.reconcile(START + 9 * HOUR);
      secret.recorded = parseKeys(annotation);
      secret.reconcile(START + 9.5 * HOUR);
      assert.deepEqual(secret.phases, ['key-1 Signing', 'key-2 Retired']);
      secret.reconcile(START + 10.5 * HOUR);
      assert.deepEqual(secret.phases, ['key-1 Signing']);
    });
  }

  it('retires the previous key if another client wrote a new first line, and removes unusable lines', () => {
    const secret = new ModelSecret();
    secret.reconcile(START);
    secret.ids = ['', 'of-a-user', 'key-1', 'key-1'];
    secret.reconcile(START + HOUR);
    assert.deepEqual(secret.ids, ['of-a-user', 'key-1']);
    assert.deepEqual(secret.phases, ['of-a-user Signing', 'key-1 Retired']);
  });

  it('every token verifies during its lifetime in pods that read the Secret late, with outages and a clock that is moved back', () => {
    const event = fc.oneof(
      { weight: 6, arbitrary: fc.record({ waitMs: fc.integer({ min: 1, max: 5 * HOUR }) }) },
      { weight: 4, arbitrary: fc.constant('next phase' as const) },
      { weight: 1, arbitrary: fc.record({ clockBackMs: fc.integer({ min: 1, max: 30 * HOUR }) }) },
      { weight: 1, arbitrary: fc.constant('annotation lost' as const) },
    );
    const ttlMs = 10 * MINUTE;
    const overlaps = fc.integer({ min: 15 * MINUTE, max: 5 * HOUR });
    const factors = fc.double({ min: 2, max: 20, noNaN: true });
    const property = fc.property(
      overlaps,
      factors,
      fc.array(event, { minLength: 5, maxLength: 60 }),
      (overlapMs, factor, events) => {
        const secret = new ModelSecret({ intervalMs: Math.ceil(overlapMs * factor), overlapMs });
        const versions = versionsDuring(secret, events);
        assertVerified(versions, ttlMs, overlapMs - ttlMs);
      },
    );
    fc.assert(property, { numRuns: propertyRuns(2_000) });
  });
});

type Event = { waitMs: number } | { clockBackMs: number } | 'next phase' | 'annotation lost';
interface Version {
  ids: string[];
  from: number;
  until: number;
}

/** The versions of the Secret with the real time of each. */
function versionsDuring(secret: ModelSecret, events: readonly Event[]): Version[] {
  let realTime = START;
  let clockOffset = 0;
  let nextInMs = secret.reconcile(realTime);
  const versions: Version[] = [{ ids: secret.ids, from: realTime, until: Number.POSITIVE_INFINITY }];
  for (const event of events) {
    if (event === 'next phase') realTime += nextInMs;
    else if (event === 'annotation lost') secret.recorded = [];
    else if ('waitMs' in event) realTime += event.waitMs;
    else clockOffset += event.clockBackMs;
    nextInMs = secret.reconcile(realTime - clockOffset);
    const last = versions.at(-1)!;
    if (last.ids === secret.ids) continue;
    last.until = realTime;
    versions.push({ ids: secret.ids, from: realTime, until: Number.POSITIVE_INFINITY });
  }
  return versions;
}

/** Pods that sign or verify may have read the Secret up to `staleMs` ago. */
function assertVerified(versions: readonly Version[], ttlMs: number, staleMs: number): void {
  for (const signer of versions)
    for (const verifier of versions) {
      const lastToken = signer.until + staleMs + ttlMs;
      const isUsedTogether = verifier.from < lastToken && signer.from < verifier.until + staleMs;
      const [key] = signer.ids;
      assert.ok(!isUsedTogether || verifier.ids.includes(key!), `a pod with ${verifier.ids} rejects ${key}`);
    }
}

describe('signing keys: source', () => {
  const rotated = (more: Partial<PcfApiSpec> = {}, overlap = '1h') =>
    pcfApi({ auth: { jwtSecretRef: REF, rotation: { interval: '10h', overlap } }, ...more });
  const secretOf = (metadata: object = {}) => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: REF.name, namespace: 'platform', ...metadata },
    data: { 'jwt-secret': Buffer.from(`${'a'.repeat(40)}\nshort\n`).toString('base64') },
  });
  const source = (api: PcfApi, metadata?: object) =>
    keySourceOf(api, () => metadata && digestOf(secretOf(metadata)));
  const ours = {
    labels: { 'app.kubernetes.io/managed-by': FIELD_MANAGER },
    ownerReferences: [{ kind: KIND, name: 'api', uid: 'uid-1' }],
  };
  const blocked = (found: KeySource | undefined) => (found && 'blocked' in found ? found.blocked : undefined);

  it('is undefined without an interval', () => {
    assert.equal(source(pcfApi()), undefined);
    const auth = { jwtSecretRef: REF, rotation: { overlap: '24h' } };
    assert.equal(source(pcfApi({ auth }), ours), undefined);
  });

  it('has the key IDs of a Secret of the operator, and no key', () => {
    const found = source(rotated(), ours);
    assert.ok(found && 'ids' in found);
    assert.equal(found.ids.length, 2);
    assert.match(found.ids[0]!, /^[\w-]{12}$/);
    assert.equal(found.ids[1], '');
    assert.ok(!JSON.stringify(digestOf(secretOf(ours))).includes('aaaa'));
  });

  it('is empty while the Secret does not exist', () => {
    const found = source(rotated());
    assert.ok(found && 'ids' in found);
    assert.deepEqual(found.ids, []);
  });

  it('reports a Secret that another client created, or that another PcfApi owns', () => {
    const other = { ...ours, ownerReferences: [{ kind: KIND, name: 'other', uid: 'uid-2' }] };
    for (const metadata of [{}, other])
      assert.match(
        blocked(source(rotated(), metadata)) ?? '',
        /Secret platform\/api-jwt was not created by the operator\. .*second line/,
      );
  });

  it('reports what the store of External Secrets must contain', () => {
    const store = { kind: 'SecretStore' as const, name: 'vault' };
    const secrets = {
      provider: 'ExternalSecrets',
      store,
      refreshInterval: '1h',
      onChange: 'Reload',
    } as const;
    assert.match(
      blocked(source(rotated({ secrets }))) ?? '',
      /from the store vault\. .*new key to its second line/,
    );
  });

  it('reports a Secret that contains other values', () => {
    const redis = { secretRef: { name: REF.name, key: 'redis-url' } };
    assert.match(blocked(source(rotated({ redis }))) ?? '', /for other values too/);
  });

  it('reports an overlap below the configured lifetime of access tokens and the propagation', () => {
    const config = (ttl: string) => ({ config: { auth: { access_token_ttl: ttl } } });
    assert.match(blocked(source(rotated(config('1h')))) ?? '', /overlap 1h is shorter than .* 1h and 5m/);
    const env = [{ name: 'PCF_API__AUTH__ACCESS_TOKEN_TTL', value: '2h' }];
    assert.match(blocked(source(rotated({ env }))) ?? '', /access_token_ttl 2h/);
    const valueFrom = { secretKeyRef: { name: 'ttl', key: 'ttl' } };
    const unknown = [{ name: 'PCF_API__AUTH__ACCESS_TOKEN_TTL', valueFrom }];
    assert.match(blocked(source(rotated({ env: unknown }))) ?? '', /set with valueFrom/);
    assert.equal(blocked(source(rotated(config('55m')))), undefined);
  });

  it('ACCESS_TOKEN_TTL is the default in the settings of the API', () => {
    const { auth } = parseToml(readFileSync('api-server/configs/base.toml', 'utf8')) as {
      auth: { access_token_ttl: string };
    };
    assert.equal(ACCESS_TOKEN_TTL, auth.access_token_ttl);
  });
});
