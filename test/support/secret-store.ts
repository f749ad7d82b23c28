/** One Secret with the optimistic concurrency of an API server, in memory. */
import { secretLines } from '../../contract/signing-keys.js';
import type { KeyWriterOptions } from '../../operator/reconciler/signing-key-writer.js';
import { KubeApiError, type KubeObject } from '../../operator/runtime/kube-client.js';

export type StoredSecret = KubeObject & { data: Record<string, string> };
/** What happens to a write; a number is the status of a rejection. */
export type WriteFault = 'not sent' | 'response lost' | number;

export class SecretStore {
  stored: StoredSecret | undefined;
  writes = 0;
  /** Applies to the next write. */
  fault: WriteFault | undefined;
  private version = 100;

  readonly client: KeyWriterOptions['client'] = {
    list: async () => ({ metadata: {}, items: this.stored ? [this.stored] : [] }) as never,
    create: async (_type, object) => this.write(object as StoredSecret),
    patch: async (_type, _namespace, _name, patch) => this.write(patch as StoredSecret),
  };

  /** The value of a key of the Secret. */
  value(key: string): string {
    return Buffer.from(this.stored?.data[key] ?? '', 'base64').toString();
  }

  lines(key: string): string[] {
    return secretLines(this.value(key));
  }

  private write(change: StoredSecret): StoredSecret {
    const { fault } = this;
    this.fault = undefined;
    if (fault === 'not sent')
      throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    if (typeof fault === 'number') throw new KubeApiError(fault, 'Forbidden', 'secrets is forbidden');
    const isStale = this.stored?.metadata.resourceVersion !== change.metadata.resourceVersion;
    if (isStale) throw new KubeApiError(409, 'Conflict', 'the object has been modified');
    const metadata = {
      ...this.stored?.metadata,
      ...change.metadata,
      resourceVersion: String(++this.version),
    };
    this.stored = { ...this.stored, ...change, metadata };
    this.writes += 1;
    if (fault === 'response lost') throw Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' });
    return this.stored;
  }
}
