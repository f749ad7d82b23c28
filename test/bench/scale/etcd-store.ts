/**
 * Writes objects to etcd in the form in which the API server stores them: without the cost of admission, defaults and
 * field management per request, which is minutes of CPU time per thousand PcfApis. The API server reads JSON as well
 * as its own protobuf.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { request } from 'undici';
import type { ResourceType } from '../../../operator/runtime/kube-types.js';
import { keyOf } from '../../../operator/runtime/store.js';
import type { Copied } from './template.js';

/** Default limits of etcd: 128 operations and 1.5 MiB per transaction. */
const MAX_OPERATIONS = 100;

export class EtcdStore {
  private readonly prefixes = new Map<ResourceType, string>();

  constructor(private readonly url: string) {}

  /** Finds where the API server stores each kind, with objects that exist. */
  async locate(existing: readonly Copied[]): Promise<void> {
    for (const { type, object } of existing) {
      if (this.prefixes.has(type)) continue;
      const { group, plural } = type;
      const candidates = [plural, `${group}/${plural}`, `${plural}/specs`].map(
        (path) => `/registry/${path}/`,
      );
      for (const prefix of candidates)
        if (await this.exists(prefix + keyOf(object))) this.prefixes.set(type, prefix);
      if (!this.prefixes.has(type)) throw new Error(`etcd has no ${type.kind} ${keyOf(object)}`);
    }
  }

  async put(objects: readonly Copied[]): Promise<void> {
    for (let from = 0; from < objects.length; from += MAX_OPERATIONS) {
      const success = objects.slice(from, from + MAX_OPERATIONS).map(({ type, object }) => ({
        requestPut: {
          key: base64(this.prefixes.get(type)! + keyOf(object)),
          value: base64(JSON.stringify(object)),
        },
      }));
      await this.post('/v3/kv/txn', { success });
    }
  }

  /** Resolves when every watch has received all writes. etcd delivers to watches that are far behind very slowly. */
  async delivered(): Promise<void> {
    const behind = /^etcd_debugging_mvcc_(?:slow_watcher|pending_events)_total [1-9]/m;
    for (;;) {
      const { body } = await request(`${this.url}/metrics`);
      if (!behind.test(await body.text())) return;
      await sleep(100);
    }
  }

  private async exists(key: string): Promise<boolean> {
    const { count } = await this.post('/v3/kv/range', { key: base64(key), count_only: true });
    return Number(count ?? 0) > 0;
  }

  private async post(path: string, body: object): Promise<{ count?: string }> {
    const answer = await request(this.url + path, { method: 'POST', body: JSON.stringify(body) });
    if (answer.statusCode !== 200) throw new Error(`etcd: ${answer.statusCode} ${await answer.body.text()}`);
    return (await answer.body.json()) as { count?: string };
  }
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
