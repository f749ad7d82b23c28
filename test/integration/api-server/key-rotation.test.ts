import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { decodeProtectedHeader } from 'jose';
import { digestOf } from '../../../operator/reconciler/secret-digests.js';
import { SigningKeyWriter } from '../../../operator/reconciler/signing-key-writer.js';
import { planKeys } from '../../../operator/signing-keys/planned-keys.js';
import { keySourceOf } from '../../../operator/signing-keys/source.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';
import { SecretStore } from '../../support/fixtures/secret-store.js';
import { ApiProcess } from './api-process.js';
import { migratedDatabase } from './migrated-database.js';

/** One second of the test is 90 seconds of the operator: an overlap of 15m takes 10 s, and an interval of 30m takes 20 s. */
const SPEED = 90;
const OVERLAP_MS = 10_000;
const INTERVAL_MS = 20_000;
/** Tokens of 10 minutes. */
const TOKEN_SECONDS = 6;
const EMAIL = 'ada@example.com';
const PASSWORD = 'a password of Ada';
const KEY = 'jwt-secret';

interface Tokens {
  accessToken: string;
  refreshToken: string;
}

/** Writes a mounted file as the kubelet does: its replacement is atomic. */
function writeMounted(file: string, text: string): void {
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
}

describe('api-server signing keys that the operator rotates', () => {
  const folder = mkdtempSync(join(tmpdir(), 'pcf-test-key-rotation-'));
  const secret = new SecretStore();
  const processes: ApiProcess[] = [];
  /** Mounted files, with the time until each has a change of the Secret. */
  const mounts = [0, 700, 1_400].map((lateMs, index) => ({ lateMs, file: join(folder, `pod-${index}`) }));
  const updates: Promise<void>[] = [];
  const stop = new AbortController();
  let auth: ApiProcess;
  let servers: ApiProcess[];
  let operator: Promise<void>;

  before(async () => {
    const url = await migratedDatabase();
    operator = rotateKeys();
    await eventually('the Secret exists', () => secret.writes > 0);
    await sleep(1_500);
    const start = (index: number, role: 'auth' | 'serve') =>
      ApiProcess.start(
        {
          PCF_API__DATABASE__URL: url,
          PCF_API__AUTH__OPEN: 'false',
          PCF_API__AUTH__JWT_SECRET_FILE: mounts[index]!.file,
          PCF_API__AUTH__ACCESS_TOKEN_TTL: `${TOKEN_SECONDS}s`,
          PCF_API__AUTH__IDENTITY_CACHE: '0ms',
          // A removed key verifies no token, also not from memory.
          PCF_API__AUTH__ROTATION_OVERLAP: '0ms',
          PCF_API__RATE_LIMIT__REQUESTS: '1000000',
        },
        undefined,
        role,
      );
    processes.push(...(await Promise.all([start(1, 'auth'), start(0, 'serve'), start(2, 'serve')])));
    await Promise.all(processes.map((one) => one.waitForReady()));
    [auth, ...servers] = processes as [ApiProcess, ...ApiProcess[]];
    await createUser(url);
  });
  after(async () => {
    stop.abort();
    await operator;
    await Promise.all([...updates, ...processes.map((one) => one.kill())]);
    rmSync(folder, { recursive: true, force: true });
  });

  /** The part of the operator that rotates the keys, with its clock accelerated. */
  async function rotateKeys(): Promise<void> {
    const rotation = { interval: '30m', overlap: '15m' };
    const api = pcfApi({ auth: { jwtSecretRef: { name: 'api-jwt', key: KEY }, rotation } });
    const clock = () => Date.parse('2026-11-23T12:00:00Z') + performance.now() * SPEED;
    const logger = { info: () => undefined } as never;
    const writer = new SigningKeyWriter({ client: secret.client, onWrite: () => undefined, clock, logger });
    while (!stop.signal.aborted) {
      const source = keySourceOf(api, () => secret.stored && digestOf(secret.stored));
      assert.ok(source && 'ids' in source);
      const planned = planKeys(source, clock());
      if (planned.write) {
        await writer.apply(api, planned);
        const text = secret.value(KEY);
        for (const { file, lateMs } of mounts)
          updates.push(sleep(lateMs).then(() => writeMounted(file, text)));
      }
      await sleep(20);
    }
  }

  async function createUser(url: string): Promise<void> {
    const open = await ApiProcess.start({ PCF_API__DATABASE__URL: url, PCF_API__AUTH__OPEN: 'true' });
    try {
      await open.waitForReady();
      const create = 'mutation ($input: CreateUserInput!) { createUser(input: $input) { id } }';
      const input = { email: EMAIL, name: 'Ada', role: 'VIEWER', password: PASSWORD };
      assert.deepEqual((await open.graphql(create, { input })).errors, []);
    } finally {
      await open.kill();
    }
  }

  async function post(path: string, body: object): Promise<Tokens> {
    const response = await auth.fetch(`/auth/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    assert.equal(response.status, 200, text);
    return JSON.parse(text) as Tokens;
  }

  it('rejects no token during a rotation, in pods that read the Secret at different times', async () => {
    const rejections: string[] = [];
    const kids = new Set<string>();
    let verified = 0;
    /** Sends the token to every server until shortly before it expires. */
    const useToken = async (token: string, expiresAt: number) => {
      const headers = { authorization: `Bearer ${token}` };
      while (performance.now() < expiresAt - 500) {
        const answers = await Promise.all(servers.map((one) => one.graphql('{ me { kind } }', {}, headers)));
        for (const { status, text } of answers) if (status !== 200) rejections.push(`${status} ${text}`);
        verified += answers.length;
        await sleep(400);
      }
    };
    const uses: Promise<void>[] = [];
    let { refreshToken } = await post('login', { email: EMAIL, password: PASSWORD });
    const until = performance.now() + INTERVAL_MS + OVERLAP_MS + 2_000;
    while (performance.now() < until) {
      const issuedAt = performance.now();
      const tokens = await post('refresh', { refreshToken });
      refreshToken = tokens.refreshToken;
      kids.add(String(decodeProtectedHeader(tokens.accessToken).kid));
      uses.push(useToken(tokens.accessToken, issuedAt + TOKEN_SECONDS * 1_000));
      await sleep(400);
    }
    await Promise.all(uses);
    assert.deepEqual(rejections.slice(0, 3), []);
    assert.ok(kids.size >= 2, `tokens were signed by ${kids.size} keys`);
    assert.ok(verified > 500, `${verified} requests`);
    assert.ok(secret.writes >= 4, `the Secret was written ${secret.writes} times`);
    for (const key of secret.lines(KEY))
      for (const { output } of processes) assert.ok(!output.includes(key), 'a key is in the log');
  });
});
