import assert from 'node:assert/strict';
import { LinkKeys } from '../../../operator/approvals/keys.js';
import { SecretStore } from '../../support/fixtures/secret-store.js';

const DAY = 24 * 3_600_000;

class Scenario extends SecretStore {
  now = Date.parse('2026-11-23T12:00:00Z');
  reads = 0;
  isDown = false;

  keys(): LinkKeys {
    const client = {
      ...this.client,
      list: (...args: Parameters<typeof this.client.list>) => {
        this.reads += 1;
        if (this.isDown) return Promise.reject(new Error('connect ECONNREFUSED'));
        return this.client.list(...args);
      },
    };
    const names = { namespace: 'pcf-system', name: 'link-keys' };
    return new LinkKeys({ client, ...names, now: () => this.now });
  }

  store(value: string): void {
    const data = { keys: Buffer.from(value).toString('base64') };
    const metadata = { name: 'link-keys', namespace: 'pcf-system', resourceVersion: '1' };
    this.stored = { apiVersion: 'v1', kind: 'Secret', metadata, data } as never;
  }
}

describe('LinkKeys', () => {
  it('creates the Secret once, and replaces its key after 30 days; the previous key still verifies', async () => {
    const scenario = new Scenario();
    const keys = scenario.keys();
    const first = await keys.signer();
    assert.deepEqual(await keys.signer(), first);
    assert.equal(scenario.writes, 1);
    scenario.now += 30 * DAY;
    const second = await keys.signer();
    assert.notEqual(second.id, first.id);
    assert.deepEqual(scenario.lines('keys'), [second.value, first.value]);
    assert.deepEqual(await keys.verifier(first.id), first);
    scenario.now += 30 * DAY;
    await keys.signer();
    assert.equal(await scenario.keys().verifier(first.id), undefined);
  });

  it('uses the key of another process that created the Secret at the same time', async () => {
    const scenario = new Scenario();
    const [one, other] = await Promise.all([scenario.keys().signer(), scenario.keys().signer()]);
    assert.deepEqual(one, other);
  });

  it('never writes a Secret of the user, whose first line signs and whose lines all verify', async () => {
    const scenario = new Scenario();
    const [first, second] = ['f'.repeat(32), 's'.repeat(32)];
    scenario.store(`${first}\n${second}\n`);
    scenario.now += 365 * DAY;
    const keys = scenario.keys();
    assert.equal((await keys.signer()).value, first);
    scenario.store(`${second}\n`);
    const signer = await keys.signer();
    assert.equal(signer.value, second);
    assert.deepEqual(await keys.verifier(signer.id), signer);
    assert.equal(scenario.writes, 0);
  });

  it('rejects a short key and an empty Secret, and the message has no key', async () => {
    const scenario = new Scenario();
    scenario.store('hush\n');
    await assert.rejects(scenario.keys().signer(), (error: Error) => {
      assert.match(
        error.message,
        /each line of key "keys" of Secret pcf-system\/link-keys needs at least 32 bytes/,
      );
      return !error.message.includes('hush');
    });
    scenario.store('');
    await assert.rejects(scenario.keys().signer(), /has no key "keys" with a key per line/);
    scenario.stored = undefined;
    scenario.fault = 403;
    await assert.rejects(scenario.keys().signer(), /the operator may not write Secret pcf-system\/link-keys/);
  });

  it('reads the Secret at most once per second for unknown IDs, and forgets a removed key after 30 s', async () => {
    const scenario = new Scenario();
    const keys = scenario.keys();
    const { id } = await keys.signer();
    await keys.verifier(id);
    const before = scenario.reads;
    for (let attempt = 0; attempt < 50; attempt++) assert.equal(await keys.verifier('invented'), undefined);
    assert.equal(scenario.reads, before);
    scenario.now += 1_001;
    await keys.verifier('invented');
    assert.equal(scenario.reads, before + 1);
    scenario.stored = undefined;
    scenario.now += 30_000;
    assert.equal(await keys.verifier(id), undefined);
  });

  it('reads the Secret once for concurrent requests, and at most once per second while reads fail', async () => {
    const scenario = new Scenario();
    const keys = scenario.keys();
    const { id } = await scenario.keys().signer();
    const before = scenario.reads;
    const invent = () =>
      Promise.allSettled(Array.from({ length: 256 }, (_, at) => keys.verifier(`id-${at}`)));
    await invent();
    assert.equal(scenario.reads, before + 1);
    scenario.isDown = true;
    scenario.now += 1_001;
    assert.ok((await invent()).every(({ status }) => status === 'rejected'));
    await invent();
    assert.equal(scenario.reads, before + 2);
    assert.equal((await keys.verifier(id))?.id, id);
    scenario.now += 30_000;
    await assert.rejects(keys.verifier(id), /ECONNREFUSED/);
  });

  it('replaces no key after a jump of the clock to the past, and replaces one with an invalid time', async () => {
    const scenario = new Scenario();
    const first = await scenario.keys().signer();
    scenario.now -= 90 * DAY;
    assert.deepEqual(await scenario.keys().signer(), first);
    assert.equal(scenario.writes, 1);
    scenario.stored!.metadata.annotations = { 'pcf.dev/rotated-at': 'yesterday' };
    assert.notEqual((await scenario.keys().signer()).id, first.id);
  });
});
