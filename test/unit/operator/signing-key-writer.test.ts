import assert from 'node:assert/strict';
import { digestOf } from '../../../operator/reconciler/secret-digests.js';
import { type KeyWrite, SigningKeyWriter } from '../../../operator/reconciler/signing-key-writer.js';
import { keyStatus, planKeys } from '../../../operator/signing-keys/planned-keys.js';
import { keySourceOf } from '../../../operator/signing-keys/source.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';
import { SecretStore, type StoredSecret } from '../../support/fixtures/secret-store.js';

const HOUR = 3_600_000;
const START = Date.parse('2026-11-23T12:00:00Z');
const auth = {
  jwtSecretRef: { name: 'api-jwt', key: 'jwt-secret' },
  rotation: { interval: '10h', overlap: '1h' },
};

/** An operator whose cache follows on demand. */
class Scenario extends SecretStore {
  readonly api = pcfApi({ auth });
  now = START;
  cached: StoredSecret | undefined;
  readonly logged: unknown[] = [];

  private readonly writer = new SigningKeyWriter({
    client: this.client,
    onWrite: (written) => {
      this.cached = written as StoredSecret;
    },
    clock: () => this.now,
    logger: { info: (...args: unknown[]) => void this.logged.push(args) } as never,
  });

  /** Reconciles with the cached Secret. */
  async reconcile(): Promise<KeyWrite> {
    const planned = planKeys(this.source, this.now);
    return planned.write ? this.writer.apply(this.api, planned) : {};
  }

  follow(): void {
    this.cached = this.stored;
  }

  get keys(): string[] {
    return this.lines('jwt-secret');
  }

  get phases(): string[] {
    return keyStatus(this.source).auth?.keys.map(({ phase }) => phase) ?? [];
  }

  private get source() {
    const source = keySourceOf(this.api, () => this.cached && digestOf(this.cached));
    assert.ok(source && 'ids' in source, JSON.stringify(source));
    return source;
  }
}

describe('SigningKeyWriter', () => {
  it('creates an owned Secret with a random key, and moves the keys through their phases', async () => {
    const scenario = new Scenario();
    await scenario.reconcile();
    const { metadata } = scenario.stored!;
    assert.equal(metadata.ownerReferences?.[0]?.uid, scenario.api.metadata.uid);
    const [first] = scenario.keys;
    assert.ok(Buffer.byteLength(first!) >= 64);
    const history: string[][] = [];
    for (const hours of [9, 10, 11]) {
      scenario.now = START + hours * HOUR;
      await scenario.reconcile();
      await scenario.reconcile();
      history.push(scenario.keys);
    }
    const second = history[0]![1];
    assert.notEqual(second, first);
    assert.deepEqual(history, [[first, second], [second, first], [second]]);
    assert.equal(scenario.writes, 4);
    assert.deepEqual(scenario.phases, ['Signing']);
  });

  it('writes no key to the annotation, the log or the status', async () => {
    const scenario = new Scenario();
    await scenario.reconcile();
    scenario.now += 9 * HOUR;
    await scenario.reconcile();
    const { metadata } = scenario.stored!;
    const texts = JSON.stringify([metadata, scenario.logged, scenario.phases, scenario.cached?.metadata]);
    assert.equal(scenario.keys.length, 2);
    for (const key of scenario.keys) assert.ok(!texts.includes(key.slice(0, 8)));
  });

  for (const fault of ['not sent', 'response lost'] as const)
    for (const hours of [0, 9, 10, 11])
      it(`repeats no phase if the write ${hours} h after the start is interrupted: ${fault}`, async () => {
        const [interrupted, expected] = [new Scenario(), new Scenario()];
        for (const at of [0, 9, 10, 11]) {
          for (const scenario of [interrupted, expected]) scenario.now = START + at * HOUR;
          if (at === hours) {
            interrupted.fault = fault;
            await assert.rejects(interrupted.reconcile());
          }
          await interrupted.reconcile();
          interrupted.follow();
          await interrupted.reconcile();
          await expected.reconcile();
          assert.deepEqual(interrupted.phases, expected.phases);
        }
        assert.equal(interrupted.writes, expected.writes);
      });

  it('changes nothing with a cache that is older than the Secret', async () => {
    const scenario = new Scenario();
    await scenario.reconcile();
    const { keys } = scenario;
    scenario.cached = undefined;
    await scenario.reconcile();
    assert.deepEqual([scenario.keys, scenario.writes], [keys, 1]);
  });

  it('does not overwrite a Secret that was changed or deleted after it was read', async () => {
    const scenario = new Scenario();
    await scenario.reconcile();
    scenario.now += 9 * HOUR;
    const { stored, keys } = scenario;
    for (const status of [409, 404]) {
      scenario.fault = status;
      assert.deepEqual(await scenario.reconcile(), { retryMs: 1_000 });
    }
    assert.deepEqual([scenario.stored, scenario.keys], [stored, keys]);
  });

  it('does not change a Secret that another client created meanwhile', async () => {
    const scenario = new Scenario();
    const metadata = { name: 'api-jwt', namespace: 'platform', resourceVersion: '5' };
    const foreign: StoredSecret = {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata,
      data: { 'jwt-secret': 'Zm9v' },
    };
    scenario.stored = foreign;
    assert.deepEqual(await scenario.reconcile(), {});
    assert.equal(scenario.stored, foreign);
  });

  it('adopts a Secret with the labels of the PcfApi on request, and continues with its key', async () => {
    const scenario = new Scenario();
    const labels = { 'app.kubernetes.io/managed-by': 'pcf-operator', 'app.kubernetes.io/instance': 'api' };
    const metadata = { name: 'api-jwt', namespace: 'platform', resourceVersion: '5', labels };
    const key = 'the key of a user, of more than 32 bytes';
    const data = { 'jwt-secret': Buffer.from(key).toString('base64') };
    scenario.stored = { apiVersion: 'v1', kind: 'Secret', metadata, data };
    scenario.follow();
    scenario.api.metadata.annotations = { 'pcf.dev/adopt-orphans': 'true' };
    await scenario.reconcile();
    assert.deepEqual(scenario.keys, [key]);
    scenario.api.metadata.annotations = {};
    scenario.now += 9 * HOUR;
    await scenario.reconcile();
    assert.equal(scenario.keys[0], key);
    assert.deepEqual(scenario.phases, ['Signing', 'Announced']);
  });

  it('reports a missing permission with the setting of the Helm chart, and retries', async () => {
    const scenario = new Scenario();
    scenario.fault = 403;
    const { issue, retryMs } = await scenario.reconcile();
    assert.equal(issue?.reason, 'SigningKeyNotRotated');
    assert.match(issue!.message, /secrets is forbidden; set rbac\.rotateSigningKeys/);
    assert.equal(retryMs, 60_000);
    await scenario.reconcile();
    assert.deepEqual(scenario.phases, ['Signing']);
  });
});
